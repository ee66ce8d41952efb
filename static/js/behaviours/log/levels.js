// Guesses the level of a line from what it says itself. Wrong is worse than unknown.

const LOOKED_AT = 200;

// Words that name a level wherever they stand in capitals; abbreviations that name one only where a level is expected.
const WORDS = {
  error: "error|fatal|critical|severe|panic",
  warn: "warn|warning",
  info: "info",
  debug: "debug|trace",
};
const MARKED = {
  error: `${WORDS.error}|err|ftl|crit|emerg|emergency|alert|fail`,
  warn: `${WORDS.warn}|wrn`,
  info: `${WORDS.info}|information|notice|inf`,
  debug: `${WORDS.debug}|dbug|dbg|trc|verbose`,
};
const LETTERS = { C: "error", F: "error", E: "error", W: "warn", I: "info", D: "debug" };

const LEVELS = new Map(Object.entries(MARKED).flatMap(([name, words]) => words.split("|").map((word) => [word, name])));
const ANY = Object.values(MARKED).join("|");
const CAPITALS = Object.values(WORDS).join("|").toUpperCase();

const TIME = String.raw`\d{1,2}:\d\d:\d\d(?:[.,]\d+)?`;
const DATE = String.raw`(?:\d{4}[-/.]\d\d[-/.]\d\d|[A-Z][a-z]{2} {1,2}\d{1,2})`;
const STAMP = String.raw`(?:${DATE}[T ])?${TIME}(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?|\d{10}(?:\.\d+)?`;
// A time of its own or in brackets, and what sets it apart from the level.
const START = String.raw`^\s*(?:(?:\[(?:${STAMP})\]|(?:${STAMP}))[\s|,:-]*)?`;

// The tiers: the first in which anything is found decides.
const TIERS = [
  // The head of a traceback, its last line, and the marks of Jupyter ([W 2026-01-02 …) and Kubernetes (W0102 …).
  /^(?<error>Traceback \(most recent call last\):|[\w.]*(?:Error|Exception): )/g,
  new RegExp(String.raw`^\[?(?<letter>[CFEWID])(?: |(?=\d{4} ))(?:${STAMP}|\d{4} ${TIME})`, "g"),
  // At the very beginning: in capitals, or in front of a colon or a bar.
  new RegExp(String.raw`${START}(?<word>${ANY.toUpperCase()})(?=[\s:|\])]|$)`, "g"),
  new RegExp(String.raw`${START}(?<word>${ANY})(?= ?[:|](?:\s|$))`, "gi"),
  // In brackets, with a time or without.
  new RegExp(String.raw`\[ *(?:(?:${STAMP}) +)?(?<word>${ANY}) *\]`, "gi"),
  // As the value of a field that is named for it.
  new RegExp(String.raw`(?<![\w-])(?:log\.?)?(?:level|lvl|severity|levelname)["']?\s*[=:]\s*["']?(?<word>${ANY})(?![\w.@=-])`, "gi"),
  // A word in capitals, unless it is counted, or a part of a name, a path or an address.
  new RegExp(String.raw`(?<![\w./=@-]|\b(?:0|no|No|NO) )(?:${CAPITALS})(?![\w/=@-]|\.\w)`, "g"),
];

// Returns "error", "warn", "info" or "debug" for a visible line, or "" if that is not known.
export function level(visibleText) {
  const text = beginning(visibleText);
  for (const tier of TIERS) {
    const found = new Set(Array.from(text.matchAll(tier), levelOf));
    if (found.size) return found.size === 1 ? [...found][0] : "";
  }
  return "";
}

function levelOf({ 0: whole, groups = {} }) {
  if (groups.error) return "error";
  if (groups.letter) return LETTERS[groups.letter];
  return LEVELS.get((groups.word ?? whole).toLowerCase());
}

// A word that the end cuts in two is left out.
function beginning(text) {
  return text.length > LOOKED_AT ? text.slice(0, LOOKED_AT).replace(/\w{1,40}$/, "") : text;
}
