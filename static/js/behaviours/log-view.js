// Shows a log as it grows: its lines in a virtual list, and what belongs to it in log/.

import { Choice } from "./log/choosing.js";
import { Copying } from "./log/copying.js";
import { Finding } from "./log/finding.js";
import { Keys } from "./log/keys.js";
import { Rows } from "./log/rows.js";
import { remember, remembered } from "./log/settings.js";
import { Store } from "./log/store.js";
import { VirtualList } from "./log/virtual.js";
import { count, status, write } from "./log/words.js";
import { follow } from "./live.js";
import { poll } from "./polling.js";

// Of a longer log the end is sent; the rest is loaded where somebody looks.
const TAIL = 2_000;
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
    this.isUnheard = true;
    this.oldUpTo = 0;
    this.queue = [];
    this.frame = 0;
    this.missed = 0;
    this.settings = { wrap: false, times: false, ...remembered() };
    this.controller = new AbortController();
    this.store = new Store((...range) => this.load(...range), (reshaped) => this.redraw(reshaped));
    this.choice = new Choice(this);
    this.copying = new Copying(this);
    this.finding = new Finding(this);
    this.keys = new Keys(this);
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
    this.listen(this.area, "scroll", () => this.list.scrolled(), { passive: true });
    this.listen(this.area, "click", (event) => this.choice.clicked(event));
    this.listen(document, "selectionchange", () => this.selected());
    this.listen(document, "pointerup", () => this.list.endSelection());
    this.listen(document, "visibilitychange", () => { if (!document.hidden) this.list.soon(); });
    this.listen(window, "hashchange", () => this.choice.goToHash());
    this.press("follow", () => this.list.follow(!this.list.following));
    this.press("pill", () => { this.list.follow(true); this.area.focus(); });
    this.press("wrap", () => this.toggle("wrap"));
    this.press("times", () => this.toggle("times"));
    this.press("copy", () => this.copying.copy());
    this.press("link", () => this.copying.copyLink());
    this.press("more", () => this.unfold());
    this.finding.start();
    this.keys.start();
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
    this.finding.stop();
    this.store.clear();
    cancelAnimationFrame(this.frame);
    this.topic.leave();
  }

  listen(target, name, then, options = {}) {
    target?.addEventListener(name, then, { ...options, signal: this.controller.signal });
  }

  press(name, then) {
    this.listen(this.part(name), "click", then);
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
    // What is said of the log must not run ahead of lines that are still to be drawn.
    if (message.t === "state" && !this.queue.length) { this.learn(message); this.choice.goToWanted(); this.say(); return; }
    if (message.t === "denied") { this.deny(message); return; }
    if (message.t === "epoch") this.cursor = { epoch: message.e, line: 0 };
    else if (message.t !== "state") {
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

  learn(message) {
    if (this.isUnheard) this.oldUpTo = message.line ?? 0;
    this.state = message;
    this.isUnheard = false;
  }

  // Whether all lines are here that there were when the portal last said how things stand.
  get isUpToDate() {
    return !this.isUnheard && this.cursor !== null && this.cursor.line >= (this.state.line ?? 0) && this.state.state !== "waiting";
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
      else if (message.t === "state") this.learn(message);
      else if (message.t === "gap" && message.kept) this.store.extend(message.e, message.to);
      else if (message.t === "gap") this.store.skip(message.e, message.from, message.to);
      else { this.add(message); drawn = message.n; }
    }
    this.finding.finder.grew();
    this.choice.goToWanted();
    this.list.draw();
    this.say();
    if (drawn) this.topic.drawn(drawn);
  }

  add(message) {
    const last = message.from + message.lines.length - 1;
    this.store.extend(message.e, last);
    this.store.put(message.e, message.from, message);
    [this.store.partial, this.store.partialLook] = [message.partial, message.look ?? ""];
    // What was there before the page was is not new.
    if (!this.list.following && !this.isUnheard) this.missed += Math.max(0, last - Math.max(message.from - 1, this.oldUpTo));
    this.widenGutter(last + 1);
  }

  turn(message) {
    if (message.why !== "restarted") {
      this.store.clear();
      this.finding.finder.clear();
      for (const earlier of message.earlier ?? []) this.addEarlier(earlier);
    }
    if (DIVIDERS[message.why]) this.store.note(DIVIDERS[message.why], "epoch");
    this.store.begin(message.e);
    this.list.renew();
    if (this.finding.isOpen) this.finding.findSoon();
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
    if (reshaped && !this.finding.isFiltered) this.list.renew();
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

  // Settings.

  // On a phone the tools that are used less are behind a button.
  unfold() {
    const isOpen = this.element.classList.toggle("log--unfolded");
    this.part("more").setAttribute("aria-expanded", String(isOpen));
  }

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

  // The style sheet gives the room of a log without text to the rest of the page. A change from one frame to the next
  // is not seen by who observes sizes.
  giveRoom(text) {
    if (this.element.dataset.text === text) return;
    this.element.dataset.text = text;
    this.list.soon();
  }

  // The status line, and a line for what is said once.

  tell(words) {
    const place = this.part("told");
    write(place, words);
    place.hidden = !words;
  }

  // Until the portal has said how things stand, there is as much as the page was made with.
  get hasText() {
    if (this.store.count || this.state.line) return true;
    return (this.isUnheard || this.state.state === "trouble") && this.element.dataset.text === "some";
  }

  say() {
    const { words, state } = status(this.connected, this.state, this.cursor?.line);
    write(this.part("status"), words);
    this.element.dataset.state = state;
    // The page was made with it where that was known.
    if (!this.isUnheard) this.part("silent").hidden = !this.state.silent;
    const pill = this.part("pill");
    pill.hidden = this.list.following || !this.missed;
    this.giveRoom(this.hasText ? "some" : "none");
    write(pill, `${count(this.missed)} new ${this.missed === 1 ? "line" : "lines"}`);
  }
}
