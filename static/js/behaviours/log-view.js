// Shows a log as it grows: its lines in a virtual list, following, finding, choosing and copying them.

import { visible } from "./log/ansi.js";
import { Finder, FoundRows } from "./log/finder.js";
import { address, lineRow, noteRow, placeIn } from "./log/row.js";
import { Store } from "./log/store.js";
import { VirtualList } from "./log/virtual.js";
import { follow } from "./live.js";
import { poll } from "./polling.js";

// Of a longer log the end is sent; the rest is loaded where somebody looks.
const TAIL = 2_000;
const MOST_COPIED = 5_000;
const TYPING = 250;
const SETTINGS = "canfarweb.log";
const CONNECTION = {
  connecting: () => "connecting",
  lost: (upTo) => `reconnecting${upTo}`,
  polling: () => "live by polling, as websockets do not come through to this browser",
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
    this.cursor = null;
    this.state = { state: "waiting", text: "" };
    this.connected = "connecting";
    this.queue = [];
    this.frame = 0;
    this.missed = 0;
    this.wantedStep = 0;
    this.chosen = null;
    this.wanted = placeIn(location.hash);
    this.settings = { wrap: false, times: false, ...remembered() };
    this.controller = new AbortController();
    this.store = new Store((...range) => this.load(...range), (reshaped) => this.redraw(reshaped));
    this.finder = new Finder((...query) => this.search(...query), () => this.found());
    this.whole = new Rows(this.store, this);
    this.list = new VirtualList({
      area: this.area,
      sheet: this.part("sheet"),
      rows: this.part("lines"),
      source: this.whole,
      onFollow: (on) => this.followed(on),
    });
  }

  start() {
    const press = (name, then) => this.listen(this.part(name), "click", then);
    this.listen(this.area, "scroll", () => this.list.scrolled(), { passive: true });
    this.listen(this.area, "click", (event) => this.clicked(event));
    this.listen(this.element, "keydown", (event) => this.key(event));
    this.listen(document, "keydown", (event) => this.pageKey(event));
    this.listen(document, "selectionchange", () => this.selected());
    this.listen(document, "visibilitychange", () => { if (!document.hidden) this.list.soon(); });
    this.listen(window, "hashchange", () => this.goToHash());
    press("follow", () => this.list.follow(!this.list.following));
    press("pill", () => { this.list.follow(true); this.area.focus(); });
    press("wrap", () => this.toggle("wrap"));
    press("times", () => this.toggle("times"));
    press("copy", () => this.copy());
    press("link", () => this.copyLink());
    press("find", () => this.openFind());
    this.startFinding(press);
    for (const control of this.element.querySelectorAll("[data-log-scripted]")) control.hidden = false;
    this.applySettings();
    this.resize = new ResizeObserver(() => (this.list.wraps ? this.list.renew() : this.list.soon()));
    this.resize.observe(this.area);
    this.topic = follow(this.element.dataset.slug, "log", this);
  }

  stop() {
    this.controller.abort();
    this.resize.disconnect();
    this.list.stop();
    this.finder.stop();
    this.store.clear();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.typing);
    this.topic.leave();
  }

  listen(target, name, then, options = {}) {
    target?.addEventListener(name, then, { ...options, signal: this.controller.signal });
  }

  // What live.js asks for.

  poll = poll;

  place() {
    return { epoch: this.cursor?.epoch ?? null, after: this.cursor?.line ?? null, tail: TAIL };
  }

  connection(state) {
    this.connected = state;
    this.say();
  }

  take(message) {
    if (message.t === "state") { this.state = message; this.say(); return; }
    if (message.t === "denied") { this.deny(message); return; }
    if (message.t === "epoch") this.cursor = { epoch: message.e, line: 0 };
    else {
      // On a hole the page asks again from where it is; it never guesses.
      if (!this.isHere(message)) { this.topic.again(); return; }
      this.cursor.line = message.t === "gap" ? message.to : this.cursor.line + message.lines.length;
    }
    this.queue.push(message);
    // A hidden page is given no frames to draw in, and the portal waits for what is not acknowledged.
    if (document.hidden) this.absorb();
    else this.frame ||= requestAnimationFrame(() => this.absorb());
  }

  isHere(message) {
    return this.cursor?.epoch === message.e && this.cursor.line + 1 === message.from;
  }

  deny(message) {
    const busy = message.why === "busy";
    this.state = { state: "trouble", text: busy ? "Too much is followed at once; reload the page later." : "There is no such log." };
    this.say();
  }

  // Taking in what came.

  absorb() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    let drawn = 0;
    for (const message of this.queue.splice(0)) {
      if (message.t === "epoch") this.turn(message);
      else if (message.t === "gap" && message.kept) this.store.extend(message.e, message.to);
      else if (message.t === "gap") this.store.skip(message.e, message.from, message.to);
      else { this.add(message); drawn = message.n; }
    }
    this.finder.grew();
    this.goToWanted();
    this.list.draw();
    this.say();
    if (drawn) this.topic.drawn(drawn);
  }

  add(message) {
    const last = message.from + message.lines.length - 1;
    this.store.extend(message.e, last);
    this.store.put(message.e, message.from, message.lines, message.at);
    this.store.partial = message.partial;
    if (!this.list.following) this.missed += message.lines.length;
    this.widenGutter(last + 1);
  }

  turn(message) {
    if (message.why !== "restarted") {
      this.store.clear();
      this.finder.clear();
      for (const earlier of message.earlier ?? []) this.addEarlier(earlier);
    }
    if (DIVIDERS[message.why]) this.store.note(DIVIDERS[message.why], "epoch");
    this.store.begin(message.e);
    this.list.renew();
    if (this.isFinding) this.findSoon();
  }

  addEarlier({ e, first, last }) {
    this.store.begin(e);
    if (first > 1) this.store.skip(e, 1, first - 1);
    this.store.extend(e, last);
    this.store.note(DIVIDERS.restarted, "epoch");
    this.widenGutter(last);
  }

  widenGutter(line) {
    const digits = Math.max(4, this.digits ?? 0, String(line).length);
    if (digits === this.digits) return;
    this.digits = digits;
    this.element.style.setProperty("--log-gutter", `${digits}ch`);
  }

  redraw(reshaped) {
    if (reshaped && !this.isFiltered) this.list.renew();
    else this.list.soon();
  }

  async load(epoch, from, to, signal) {
    const response = await this.ask("lines", { e: epoch, from, to }, signal);
    if (!response.ok) throw new Error(response.status);
    return response.json();
  }

  ask(what, parameters, signal) {
    const address = new URL(`${this.element.dataset.address}/${what}`, location.href);
    for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
    return fetch(address, { signal, headers: { Accept: "application/json" }, redirect: "error" });
  }

  // Following.

  followed(on) {
    if (on) this.missed = 0;
    this.part("follow").setAttribute("aria-pressed", String(on));
    this.say();
  }

  selected() {
    const selection = document.getSelection();
    if (selection.isCollapsed || !this.part("lines").contains(selection.anchorNode)) return;
    this.list.follow(false);
  }

  // Choosing lines.

  clicked(event) {
    const number = event.target.closest(".log__number");
    if (!number || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const line = Number(number.dataset.number);
    const { epoch } = placeIn(number.hash);
    if (this.isFiltered) { this.setFiltered(false); this.goTo(epoch, line); }
    const isRange = event.shiftKey && this.chosen?.epoch === epoch;
    const isAll = !isRange && this.isChosen(epoch, line) && this.chosen.from === this.chosen.to;
    if (isAll) this.unchoose();
    else this.choose(epoch, isRange ? this.chosen.start : line, line);
    this.list.follow(false);
    // The row with the link is drawn anew; the keys go on in the log.
    this.area.focus({ preventScroll: true });
  }

  unchoose() {
    this.chosen = null;
    history.replaceState(history.state, "", location.pathname + location.search);
    this.offerPart();
    this.list.soon();
  }

  choose(epoch, start, line) {
    const [from, to] = [Math.min(start, line), Math.max(start, line)];
    this.chosen = { epoch, start, from, to };
    history.replaceState(history.state, "", `#${address(epoch, from, to)}`);
    this.offerPart();
    this.list.soon();
  }

  isChosen(epoch, line) {
    const { chosen } = this;
    return chosen !== null && chosen.epoch === epoch && chosen.from <= line && line <= chosen.to;
  }

  goToHash() {
    this.wanted = placeIn(location.hash);
    this.goToWanted();
  }

  // Goes to the line of the page's address as soon as it is known where it is.
  goToWanted() {
    if (!this.wanted) return;
    const epoch = this.wanted.epoch ?? this.cursor?.epoch;
    if (!this.store.epochs.includes(epoch) || this.store.indexOf(epoch, this.wanted.to) < 0) return;
    const { from, to } = this.wanted;
    this.wanted = null;
    this.chosen = { epoch, start: from, from, to };
    this.offerPart();
    this.goTo(epoch, from);
    if (document.activeElement === document.body) this.area.focus({ preventScroll: true });
  }

  goTo(epoch, line) {
    const index = this.list.source.indexOfKey(`${epoch}.${line}`);
    if (index >= 0) this.list.goTo(index);
  }

  // Copying.

  async copy() {
    await this.toClipboard(this.part("copy"), await this.textToCopy());
  }

  async copyLink() {
    const row = this.list.source.row(this.list.firstInSight);
    const place = this.chosen ?? (row?.line && { epoch: row.epoch, from: row.line, to: row.line });
    if (!place) return;
    const link = new URL(location.href);
    link.hash = address(place.epoch, place.from, place.to);
    await this.toClipboard(this.part("link"), link.href);
  }

  async toClipboard(button, text) {
    const words = button.textContent;
    try {
      if (text === null) throw new Error("too much");
      await navigator.clipboard.writeText(text);
      write(button, "Copied");
    } catch {
      write(button, text === null ? "Too long: download it" : "Not copied");
    }
    setTimeout(() => write(button, button.dataset.words ?? words), 2_000);
  }

  // The selection, else the chosen lines, else all that is shown; null for more than belongs into a clipboard.
  async textToCopy() {
    const selection = document.getSelection();
    if (!selection.isCollapsed && this.part("lines").contains(selection.anchorNode)) return selectedText(selection, this.part("lines"));
    const { source } = this.list;
    const rows = [];
    const [first, last] = this.chosen && !this.isFiltered
      ? [this.store.indexOf(this.chosen.epoch, this.chosen.from), this.store.indexOf(this.chosen.epoch, this.chosen.to)]
      : [0, source.count - 1];
    if (first < 0 || last - first >= MOST_COPIED) return null;
    for (let index = first; index <= last; index += 1) rows.push(await this.wholeRow(source, index));
    return rows.filter((row) => row.note === undefined).map((row) => visible(row.text ?? "")).join("\n");
  }

  async wholeRow(source, index) {
    const row = source.row(index);
    if (row.note === undefined && row.text === undefined) await this.store.fetch({ epoch: row.epoch, from: row.line, to: row.line + 500 });
    return source.row(index);
  }

  // The download of what is chosen or found stands beside that of the whole.
  offerPart() {
    const link = this.part("part");
    const found = this.isFinding && this.finder.query;
    link.hidden = !found && !this.chosen;
    const address = new URL(`${this.element.dataset.address}/kept.txt`, location.href);
    if (found) for (const [name, value] of Object.entries(this.finder.query)) address.searchParams.set(name, value);
    else if (this.chosen) {
      const { epoch, from, to } = this.chosen;
      for (const [name, value] of Object.entries({ e: epoch, from, to })) address.searchParams.set(name, value);
    }
    link.href = address;
    write(link, found ? "Download found" : "Download chosen");
  }

  // Finding.

  startFinding(press) {
    this.listen(this.part("search"), "submit", (event) => { event.preventDefault(); this.step(1); });
    this.listen(this.part("query"), "input", () => this.findSoon());
    this.listen(this.part("query"), "keydown", (event) => {
      // Not left to the form, whose button is disabled while nothing is found.
      if (event.key === "Enter") { event.preventDefault(); this.step(event.shiftKey ? -1 : 1); }
    });
    press("previous", () => this.step(-1));
    press("close", () => this.closeFind());
    press("filter", () => this.setFiltered(!this.isFiltered));
    for (const name of ["case", "regex"]) {
      press(name, () => { flip(this.part(name)); this.find(); });
    }
  }

  get isFinding() {
    return !this.part("search").hidden;
  }

  get isFiltered() {
    return this.list.source !== this.whole;
  }

  openFind() {
    this.part("search").hidden = false;
    this.part("find").setAttribute("aria-expanded", "true");
    this.part("query").focus();
    this.part("query").select();
  }

  closeFind() {
    this.setFiltered(false);
    this.part("search").hidden = true;
    this.part("find").setAttribute("aria-expanded", "false");
    this.part("query").value = "";
    this.finder.clear();
    this.found();
    this.area.focus();
  }

  findSoon() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.find(), TYPING);
  }

  find() {
    clearTimeout(this.typing);
    const query = { q: this.part("query").value };
    if (isPressed(this.part("case"))) query.case = 1;
    if (isPressed(this.part("regex"))) query.regex = 1;
    // What is being read must not run away from under the eyes.
    if (query.q) this.list.follow(false);
    this.finder.start(query, this.store.epochs);
    if (this.isFiltered) this.list.renew({ keep: false });
  }

  async search(parameters, signal) {
    const response = await this.ask("search", parameters, signal);
    if (response.ok) return response.json();
    const said = await response.json().catch(() => ({}));
    throw { sentence: said.error, isFinal: response.status === 422 };
  }

  found() {
    write(this.part("hits"), this.finder.words);
    const isWrong = this.finder.state === "refused";
    this.part("query").setAttribute("aria-invalid", String(isWrong));
    for (const name of ["next", "previous"]) this.part(name).disabled = !this.finder.hits.length;
    this.offerPart();
    this.list.soon();
    if (this.wantedStep && this.finder.hits.length) this.step(this.wantedStep);
  }

  step(by) {
    // Enter may come before what was typed has been looked for, or found.
    if (this.part("query").value !== (this.finder.query?.q ?? "")) this.find();
    this.wantedStep = this.finder.hits.length || this.finder.state !== "searching" ? 0 : by;
    const hit = this.finder.step(by, (hits) => this.nearest(hits, by));
    if (!hit) return;
    const index = this.list.source.indexOfKey(`${hit.epoch}.${hit.line}`);
    if (index >= 0 && !this.list.isInSight(index)) this.list.goTo(index);
    this.list.follow(false);
    this.found();
  }

  // The first line found that is in sight or behind it; going back, the last one before.
  nearest(hits, by) {
    const { source } = this.list;
    const place = ({ epoch, line }) => source.indexOfKey(`${epoch}.${line}`);
    const here = this.list.firstInSight;
    const behind = hits.findIndex((hit) => place(hit) >= here);
    if (by > 0) return Math.max(0, behind);
    return behind > 0 ? behind - 1 : hits.length - 1;
  }

  setFiltered(on) {
    if (on === this.isFiltered) return;
    this.part("filter").setAttribute("aria-pressed", String(on));
    this.list.use(on ? new Rows(new FoundRows(this.finder), this) : this.whole);
    this.list.follow(false);
  }

  // Settings and keys.

  toggle(name) {
    this.settings[name] = !this.settings[name];
    remember(this.settings);
    this.applySettings();
  }

  applySettings() {
    for (const [name, on] of Object.entries(this.settings)) {
      this.element.classList.toggle(`log--${name}`, on);
      this.part(name)?.setAttribute("aria-pressed", String(on));
    }
    if (this.settings.wrap === this.list.wraps) this.list.renew();
    else this.list.setWrap(this.settings.wrap);
  }

  key(event) {
    if ((event.ctrlKey || event.metaKey) && event.key === "f") { event.preventDefault(); this.openFind(); return; }
    if (event.key === "Escape" && this.isFinding) { event.preventDefault(); this.closeFind(); return; }
    if (event.key === "Escape" && this.chosen) { event.preventDefault(); this.unchoose(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input")) return;
    const line = this.list.heights.usual;
    const does = {
      j: () => this.list.move(line),
      k: () => this.list.move(-line),
      g: () => this.toStart(),
      Home: () => this.toStart(),
      G: () => this.list.follow(true),
      End: () => this.list.follow(true),
      f: () => this.list.follow(!this.list.following),
      w: () => this.toggle("wrap"),
      t: () => this.toggle("times"),
      n: () => this.step(1),
      N: () => this.step(-1),
    }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  }

  toStart() {
    this.list.follow(false);
    this.list.goTo(0, 0);
  }

  pageKey(event) {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, dialog")) return;
    event.preventDefault();
    this.openFind();
  }

  // The status line.

  say() {
    const upTo = this.cursor?.line ? `, showing up to line ${count(this.cursor.line)}` : "";
    const isHeard = this.connected === "open" || this.connected === "polling";
    const own = this.state.text || this.state.state;
    const words = this.connected === "open" ? own : CONNECTION[this.connected](upTo);
    const isOver = isHeard && this.state.state === "ended";
    write(this.part("status"), isOver || (this.connected === "polling" && this.state.text) ? `${this.state.text}${isOver ? "" : ` (${words})`}` : words);
    this.element.dataset.state = isHeard ? this.state.state : "trouble";
    if (this.connected === "connecting") this.element.dataset.state = "waiting";
    const pill = this.part("pill");
    pill.hidden = this.list.following || !this.missed;
    write(pill, `${count(this.missed)} new ${this.missed === 1 ? "line" : "lines"}`);
  }
}

// The rows of a store or of what was found, with how each of them looks now.
class Rows {
  constructor(text, view) {
    Object.assign(this, { text, view });
  }

  get count() { return this.text.count; }
  row(index) { return this.text.row(index); }
  key(index) { return this.text.key(index); }
  indexOfKey(key) { return this.text.indexOfKey(key); }
  isTall(index) { return this.text.row(index).note !== undefined; }
  shown(first, last) { this.text.shown(first, last); }

  face(index) {
    const row = this.text.row(index);
    if (row.note !== undefined) return row.note;
    const { view } = this;
    const found = view.finder.hitsOf(row.epoch, row.line) ? `${view.finder.query.q} ${view.finder.isNow(row.epoch, row.line)}` : "";
    // A line that is whole never changes.
    const text = row.text === undefined ? `absent ${view.store.hasFailed}` : row.partial ? `partial ${row.text}` : "";
    return `${view.isChosen(row.epoch, row.line)} ${found} ${text}`;
  }

  element(index) {
    const row = this.text.row(index);
    if (row.note !== undefined) return noteRow(row);
    const { view } = this;
    return lineRow(row, {
      chosen: view.isChosen(row.epoch, row.line),
      hits: view.finder.hitsOf(row.epoch, row.line),
      isNow: view.finder.isNow(row.epoch, row.line),
      failed: view.store.hasFailed,
    });
  }
}

function selectedText(selection, lines) {
  const range = selection.getRangeAt(0);
  const rows = [...lines.querySelectorAll(".log__line")].filter((row) => range.intersectsNode(row));
  if (rows.length < 2) return selection.toString();
  return rows.map((row, index) => within(range, row.querySelector(".log__text"), index, rows.length)).join("\n");
}

// The part of a row's text that is selected: rows stand apart in the page, so the browser cannot join them itself.
function within(range, text, index, count) {
  const part = document.createRange();
  part.selectNodeContents(text);
  if (index === 0 && text.contains(range.startContainer)) part.setStart(range.startContainer, range.startOffset);
  if (index === count - 1 && text.contains(range.endContainer)) part.setEnd(range.endContainer, range.endOffset);
  return part.toString();
}

function remembered() {
  try {
    const { wrap, times } = JSON.parse(localStorage.getItem(SETTINGS)) ?? {};
    return { wrap: wrap === true, times: times === true };
  } catch {
    return {};
  }
}

function remember(settings) {
  try {
    localStorage.setItem(SETTINGS, JSON.stringify(settings));
  } catch {
    // A browser that keeps nothing still shows the log.
  }
}

function flip(button) {
  button.setAttribute("aria-pressed", String(!isPressed(button)));
}

function isPressed(button) {
  return button.getAttribute("aria-pressed") === "true";
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function count(number) {
  return number.toLocaleString("en");
}
