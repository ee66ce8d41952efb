// What is said beside a log.

const CONNECTION = {
  connecting: () => "connecting",
  lost: (upTo) => `reconnecting${upTo}`,
  polling: () => "live by polling, as websockets do not come through to this browser",
  "signed-out": (upTo) => `you are signed out${upTo}; reload the page to sign in again`,
  many: (upTo) => `you follow logs in too many tabs; this one waits for its turn${upTo}`,
};

// How a log stands, as { words, state }: `connected` is live.js' word, `said` the portal's { state, text }, `line` the
// last line that is here.
export function status(connected, said, line) {
  const upTo = line ? `, showing up to line ${count(line)}` : "";
  const isHeard = connected === "open" || connected === "polling";
  const words = connected === "open" ? said.text || said.state : CONNECTION[connected](upTo);
  const isOver = isHeard && said.state === "ended";
  const isBoth = isOver || (connected === "polling" && said.text);
  return {
    words: isBoth ? `${said.text}${isOver ? "" : ` (${words})`}` : words,
    state: isHeard ? said.state : connected === "connecting" ? "waiting" : "trouble",
  };
}

export function count(number) {
  return number.toLocaleString("en");
}

export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
