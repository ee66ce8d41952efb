// Shows a log as it grows. Text enters the page as text only; a frame's lines are drawn together.

import { follow } from "./live.js";

// Lines kept in the page; older ones are in the download.
const MOST_LINES = 20_000;
// How near to its end, in pixels, the log counts as scrolled to the end.
const NEAR = 24;
const CONNECTION = {
  connecting: () => "connecting",
  lost: (upTo) => `reconnecting${upTo}`,
  blocked: () => "live lines do not come through to this browser; reload the page to see more",
  "signed-out": (upTo) => `you are signed out${upTo}; reload the page to sign in again`,
  many: (upTo) => `you follow logs in too many tabs; this one waits for its turn${upTo}`,
};
const DIVIDERS = { restarted: "The log began anew here", reread: "The log is shown anew from here" };

export function attach(element) {
  const view = new LogView(element);
  view.start();
  return () => view.stop();
}

class LogView {
  constructor(element) {
    this.element = element;
    this.part = (name) => element.querySelector(`[data-log-${name}]`);
    this.area = this.part("area");
    this.lines = this.part("lines");
    this.queue = [];
    this.cursor = null;
    this.partial = null;
    this.following = true;
    this.missed = 0;
    this.state = { state: "waiting", text: "" };
    this.connected = "connecting";
    this.frame = 0;
    this.controller = new AbortController();
  }

  start() {
    this.listen(this.area, "scroll", () => this.scrolled(), { passive: true });
    this.listen(this.area, "keydown", (event) => this.key(event));
    this.listen(this.part("follow"), "click", () => this.setFollowing(!this.following));
    this.listen(this.part("wrap"), "click", () => this.toggleWrap());
    this.listen(this.part("pill"), "click", () => { this.setFollowing(true); this.area.focus(); });
    this.listen(this.part("copy"), "click", () => this.copy());
    this.listen(document, "selectionchange", () => this.selected());
    this.listen(document, "visibilitychange", () => { if (document.hidden && this.frame) this.draw(); });
    for (const control of this.element.querySelectorAll("[data-log-scripted]")) control.hidden = false;
    this.resize = new ResizeObserver(() => this.stick());
    this.resize.observe(this.area);
    this.topic = follow(this.element.dataset.slug, "log", this);
  }

  stop() {
    this.controller.abort();
    this.resize.disconnect();
    cancelAnimationFrame(this.frame);
    this.topic.leave();
  }

  listen(target, name, then, options = {}) {
    target?.addEventListener(name, then, { ...options, signal: this.controller.signal });
  }

  // What live.js asks for.

  place() {
    return { epoch: this.cursor?.epoch ?? null, after: this.cursor?.line ?? null, tail: MOST_LINES };
  }

  connection(state) {
    this.connected = state;
    this.say();
  }

  take(message) {
    if (message.t === "state") { this.state = message; this.say(); return; }
    if (message.t === "denied") { this.deny(message); return; }
    if (message.t === "epoch") this.cursor = { epoch: message.e, line: 0 };
    if (message.t === "gap" && this.isHere(message)) this.cursor.line = message.to;
    if (message.t === "log") {
      // On a hole the page asks again from where it is; it never guesses.
      if (!this.isHere(message)) { this.topic.again(); return; }
      this.cursor.line += message.lines.length;
    }
    this.queue.push(message);
    this.drawSoon();
  }

  isHere(message) {
    return this.cursor?.epoch === message.e && this.cursor.line + 1 === message.from;
  }

  deny(message) {
    const busy = message.why === "busy";
    this.state = { state: "trouble", text: busy ? "Too much is followed at once; reload the page later." : "There is no such log." };
    this.say();
  }

  // Drawing.

  drawSoon() {
    // A hidden page is given no frames to draw in, and the portal waits for what is not acknowledged.
    if (document.hidden) this.draw();
    else this.frame ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.part("initial")?.remove();
    const fresh = document.createDocumentFragment();
    let drawn = 0;
    for (const message of this.queue.splice(0)) {
      if (message.t === "log") { this.addLines(fresh, message); drawn = message.n; }
      else if (message.t === "gap") fresh.append(note(`Lines ${count(message.from)} to ${count(message.to)} are not shown here`));
      else this.turn(fresh, message.why);
    }
    this.lines.append(fresh);
    this.widenGutter();
    this.trim();
    this.stick();
    this.say();
    if (drawn) this.topic.drawn(drawn);
  }

  addLines(fresh, message) {
    this.partial?.remove();
    this.partial = null;
    message.lines.forEach((text, index) => fresh.append(line(message.from + index, text)));
    if (!this.following) this.missed += message.lines.length;
    if (message.partial === null) return;
    this.partial = line(message.from + message.lines.length, message.partial);
    this.partial.classList.add("log__line--partial");
    fresh.append(this.partial);
  }

  turn(fresh, why) {
    this.partial?.remove();
    this.partial = null;
    if (why === "reread") { this.lines.replaceChildren(); fresh.replaceChildren(); }
    if (DIVIDERS[why]) fresh.append(note(DIVIDERS[why], "log__note--epoch"));
  }

  widenGutter() {
    const digits = Math.max(4, String(this.cursor?.line ?? 0).length);
    if (digits === this.digits) return;
    this.digits = digits;
    this.element.style.setProperty("--log-gutter", `${digits}ch`);
  }

  trim() {
    const over = this.lines.childElementCount - MOST_LINES;
    if (over <= 0) return;
    for (let left = over; left > 0; left -= 1) this.lines.firstElementChild.remove();
    this.part("older").hidden = false;
  }

  // Following.

  get atEnd() {
    return this.area.scrollHeight - this.area.scrollTop - this.area.clientHeight < NEAR;
  }

  scrolled() {
    if (this.atEnd !== this.following) this.setFollowing(this.atEnd);
  }

  selected() {
    const selection = document.getSelection();
    if (this.following && !selection.isCollapsed && this.lines.contains(selection.anchorNode)) this.setFollowing(false);
  }

  setFollowing(on) {
    this.following = on;
    if (on) this.missed = 0;
    this.part("follow").setAttribute("aria-pressed", String(on));
    this.stick();
    this.say();
  }

  stick() {
    if (this.following) this.area.scrollTop = this.area.scrollHeight;
  }

  toggleWrap() {
    const on = this.element.classList.toggle("log--wrap");
    this.part("wrap").setAttribute("aria-pressed", String(on));
    this.stick();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "End" || event.key === "G") this.setFollowing(true);
    else if (event.key === "f") this.setFollowing(!this.following);
    else if (event.key === "w") this.toggleWrap();
    else if (event.key === "g") this.area.scrollTop = 0;
    else return;
    event.preventDefault();
  }

  async copy() {
    const chosen = document.getSelection().toString();
    const inside = chosen && this.lines.contains(document.getSelection().anchorNode);
    const text = inside ? chosen : [...this.lines.querySelectorAll(".log__line")].map((row) => row.textContent).join("\n");
    const button = this.part("copy");
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not copied";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2_000);
  }

  // The status line.

  say() {
    const upTo = this.cursor?.line ? `, showing up to line ${count(this.cursor.line)}` : "";
    const open = this.connected === "open";
    const words = open ? this.state.text || this.state.state : CONNECTION[this.connected](upTo);
    write(this.part("status"), words);
    this.element.dataset.state = open ? this.state.state : "trouble";
    if (this.connected === "connecting") this.element.dataset.state = "waiting";
    const pill = this.part("pill");
    pill.hidden = this.following || !this.missed;
    write(pill, `${count(this.missed)} new ${this.missed === 1 ? "line" : "lines"}`);
  }
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function count(number) {
  return number.toLocaleString("en");
}

function line(number, text) {
  const row = document.createElement("div");
  row.className = "log__line";
  row.dataset.line = number;
  row.textContent = plain(text);
  return row;
}

function note(text, more = "") {
  const row = document.createElement("div");
  row.className = `log__note ${more}`;
  row.textContent = text;
  return row;
}

// Escape sequences are left out, other controls and what turns the direction of writing become symbols.

const SPECIAL = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
const STRING_OPENERS = "]PX^_";
const LONGEST_STRING = 4096;

export function plain(text) {
  if (!SPECIAL.test(text)) return text;
  const strings = new Strings(text);
  let shown = "";
  for (let at = 0; at < text.length; ) {
    const end = text[at] === "\x1b" ? sequenceEnd(text, at + 1, strings) : 0;
    if (end) { at = end; continue; }
    shown += SPECIAL.test(text[at]) ? symbol(text.charCodeAt(at)) : text[at];
    at += 1;
  }
  return shown;
}

function symbol(code) {
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "\u2421" : "\u2426";
}

// Where a sequence that begins with an escape at `at - 1` ends; 0 if it is none or not whole.
function sequenceEnd(text, at, strings) {
  const opener = text[at];
  if (opener === "[") return finalByte(text, at + 1, "0", "?", "@");
  if (opener && STRING_OPENERS.includes(opener)) return strings.endBehind(at);
  return opener ? finalByte(text, at, "", "", "0") : 0;
}

function finalByte(text, at, low, high, final) {
  while (low && text[at] >= low && text[at] <= high) at += 1;
  while (text[at] >= " " && text[at] <= "/") at += 1;
  return text[at] >= final && text[at] <= "~" ? at + 1 : 0;
}

// Finds the ends of string sequences, looking at each character of the line once however many begin.
class Strings {
  constructor(text) {
    this.text = text;
    this.begin = -1;
    this.end = 0;
  }

  endBehind(at) {
    if (this.end === Infinity) return 0;
    if (this.begin < at) this.look(at);
    // What never ends is not hidden, and neither is a long stretch of text before a chance end.
    return this.end - at > LONGEST_STRING ? 0 : this.end;
  }

  look(at) {
    const found = /\x07|\x1b\\|\x9c/g;
    found.lastIndex = at;
    const match = found.exec(this.text);
    this.begin = match ? match.index : Infinity;
    this.end = match ? found.lastIndex : Infinity;
  }
}
