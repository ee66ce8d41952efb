// The terminal of the page: keys go to the shell, what it prints comes back; a lost connection is taken up again.

const LIGHT = {
  background: "#fbfbfa", foreground: "#24292f", cursor: "#24292f", cursorAccent: "#fbfbfa", selectionBackground: "#bcd7f5",
  black: "#24292f", red: "#b4232a", green: "#1a7f4b", yellow: "#8a6100", blue: "#1f5fbf", magenta: "#8a3ea8", cyan: "#0f7480", white: "#6a6f76",
  brightBlack: "#57606a", brightRed: "#cf222e", brightGreen: "#1a8a50", brightYellow: "#9a6a00", brightBlue: "#2a6fd6", brightMagenta: "#9a4dba", brightCyan: "#12808d", brightWhite: "#424a53",
};
const DARK = {
  background: "#16181c", foreground: "#e4e6ea", cursor: "#e4e6ea", cursorAccent: "#16181c", selectionBackground: "#34506f",
  black: "#3a3f47", red: "#f08080", green: "#4fc38a", yellow: "#e0b458", blue: "#74a9f5", magenta: "#c792ea", cyan: "#5cc6d0", white: "#c8ccd2",
  brightBlack: "#6b727c", brightRed: "#ff9c9c", brightGreen: "#74dba6", brightYellow: "#f0cb7c", brightBlue: "#96c0ff", brightMagenta: "#dcb0f5", brightCyan: "#86dde5", brightWhite: "#ffffff",
};
const LONGEST_WAIT = 8000;

const state = document.querySelector(".state");
const dark = matchMedia("(prefers-color-scheme: dark)");
const terminal = new Terminal({
  fontFamily: "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace", fontSize: 14, lineHeight: 1.15, scrollback: 10000,
  cursorBlink: true, theme: dark.matches ? DARK : LIGHT, screenReaderMode: false,
});
const fit = new FitAddon.FitAddon();
terminal.loadAddon(fit);
terminal.open(document.getElementById("terminal"));
dark.addEventListener("change", () => { terminal.options.theme = dark.matches ? DARK : LIGHT; });

// The link of the session always leads to the same shell; a new one is named in the address, so that a reload finds it.
if (location.hash === "#new") history.replaceState(null, "", `#${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`);
const shell = location.hash.slice(1) || "main";

let socket = null;
let wait = 500;
let ended = false;

function say(word, text) {
  state.dataset.state = word;
  state.textContent = text;
}

function send(...message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function resize() {
  fit.fit();
  send("set_size", terminal.rows, terminal.cols);
}

function connect() {
  ended = false;
  const address = new URL(`shell/${shell}`, location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(address);
  socket.onopen = () => { wait = 500; say("on", "Connected"); terminal.reset(); resize(); terminal.focus(); };
  socket.onmessage = ({ data }) => {
    const [kind, text] = JSON.parse(data);
    if (kind === "stdout") terminal.write(text);
    if (kind === "disconnect") ended = true;
  };
  socket.onclose = () => {
    if (ended) {
      say("off", "The shell has ended");
      terminal.write("\r\n\x1b[2mThe shell has ended. Press Enter for a new one.\x1b[0m\r\n");
    } else {
      say("off", "The connection is lost; trying again …");
      setTimeout(connect, wait);
      wait = Math.min(wait * 2, LONGEST_WAIT);
    }
  };
}

terminal.onData((text) => {
  if (!ended) send("stdin", text);
  else if (text === "\r") connect();
});
new ResizeObserver(resize).observe(document.getElementById("terminal"));
connect();
