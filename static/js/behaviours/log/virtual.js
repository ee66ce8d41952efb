// A list of any length in an area that scrolls: only the rows in sight and a few around them are in the page.
//
// The source has
//   count             how many rows there are
//   key(index)        what stays the same for a row when others come or go
//   isTall(index)     whether its height must be measured even if lines are not wrapped
//   face(index)       a string that differs whenever the row looks different
//   element(index)    the row, made anew
//   isAbsent(index)   whether there is nothing to draw yet, or no longer
//   shown(first, last)  is told what is in sight

import { Heights } from "./heights.js";
import { ends, placeIn, restore } from "./selecting.js";

// Browsers cannot make an element of any height; a longer list is scrolled in proportion.
const MOST_PIXELS = 8_000_000;
const MARGIN = 20;
const NEAR = 24;
const SETTLE = 150;

export class VirtualList {
  constructor({ area, sheet, rows, source, onFollow }) {
    Object.assign(this, { area, sheet, rows, source, onFollow });
    this.heights = new Heights(parseFloat(getComputedStyle(rows).lineHeight) || 18);
    this.elements = new Map();
    this.following = true;
    this.wraps = false;
    this.top = 0;
    this.known = 0;
    this.frame = 0;
    this.settling = 0;
    this.widest = 0;
    this.isLed = false;
  }

  stop() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.settling);
  }

  // The rows are others than before, or wrapped otherwise; what is at the top of the area stays there if it still exists.
  renew({ keep = true } = {}) {
    const anchor = keep && this.heights.count ? this.anchor() : null;
    const key = anchor && this.keys?.get(anchor.index);
    this.heights.clear();
    this.heights.resize(this.source.count);
    this.widest = 0;
    // Wrapped rows are as wide as the area, not as the longest line was.
    this.sheet.style.width = "";
    const index = key === undefined || key === null ? -1 : this.source.indexOfKey(key);
    this.top = index < 0 ? 0 : this.heights.top(index) + anchor.into;
    this.soon();
  }

  setWrap(on) {
    this.wraps = on;
    this.renew();
  }

  use(source) {
    this.source = source;
    this.forget();
    this.renew({ keep: false });
  }

  forget() {
    for (const element of this.elements.values()) element.remove();
    this.elements.clear();
  }

  soon() {
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  goTo(index, part = 1 / 3) {
    this.follow(false);
    this.isLed = true;
    this.heights.resize(this.source.count);
    this.top = Math.max(0, this.heights.top(index) - this.area.clientHeight * part);
    this.aim = { index, part };
    this.soon();
  }

  move(pixels) {
    if (pixels < 0) this.follow(false);
    this.isLed = true;
    this.top += pixels;
    this.soon();
  }

  follow(on) {
    if (on !== this.following) { this.following = on; this.onFollow(on); }
    if (on) { this.aim = null; this.isLed = true; }
    this.soon();
  }

  get firstInSight() {
    return this.heights.at(this.top);
  }

  isInSight(index) {
    const top = this.heights.top(index);
    return top >= this.top && top + this.heights.usual <= this.top + this.area.clientHeight;
  }

  // Drawing.

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.room = this.area.clientHeight;
    this.heights.resize(this.source.count);
    // An area that is not shown has no place, and may have lost it when it is shown again.
    if (!this.room) { this.known = null; return; }
    // Where the person scrolled to counts, also while the event that tells of it is still to come.
    if (this.wasScrolled) { this.scrolled(); return; }
    for (let pass = 0; pass < 4; pass += 1) {
      this.settleTop();
      const anchor = this.anchor();
      this.fill(...this.range());
      if (!this.measure()) break;
      this.top = this.aim ? this.aimed() : this.heights.top(anchor.index) + anchor.into;
    }
    this.aim = null;
    this.isLed = false;
    this.settleTop();
    this.place();
    this.source.shown(this.first, this.last);
  }

  settleTop() {
    const lowest = Math.max(0, this.heights.total - this.room);
    this.top = this.following ? lowest : Math.max(0, Math.min(this.top, lowest));
  }

  aimed() {
    return Math.max(0, this.heights.top(this.aim.index) - this.room * this.aim.part);
  }

  anchor() {
    const index = this.heights.at(this.top);
    return { index, into: this.top - this.heights.top(index) };
  }

  range() {
    const { heights, source } = this;
    if (!source.count) return [0, -1];
    const first = Math.max(0, heights.at(this.top) - MARGIN);
    const last = Math.min(source.count - 1, heights.at(this.top + this.room) + MARGIN);
    return [first, last];
  }

  // Draws these rows. Those in which a selection begins and ends stay in the page as well, wherever they are: without
  // them the browser would forget where that was.
  fill(first, last) {
    const { source } = this;
    const selected = ends(this.rows);
    const held = new Set([selected?.anchor, selected?.focus].map((end) => end?.row.rowKey).filter((key) => key !== undefined));
    const away = [...held].map((key) => source.indexOfKey(key)).filter((index) => index >= 0 && (index < first || index > last));
    away.sort((one, other) => one - other);
    const inSight = Array.from({ length: last - first + 1 }, (_, place) => first + place);
    this.keys = new Map(inSight.map((index) => [index, source.key(index)]));
    const wanted = [...away.filter((index) => index < first), ...inSight, ...away.filter((index) => index > last)]
      .map((index) => [this.keys.get(index) ?? source.key(index), index]);
    this.drop(new Set(wanted.map(([key]) => key)));
    const anew = new Map();
    let next = this.rows.firstChild;
    for (const [key, index] of wanted) {
      let element = this.elements.get(key);
      const face = source.face(index);
      // What is selected stays as it is while its text is not here.
      if (!element || (element.rowFace !== face && !(held.has(key) && source.isAbsent(index)))) {
        const fresh = source.element(index);
        fresh.rowKey = key;
        fresh.rowFace = face;
        if (element) {
          if (next === element) next = element.nextSibling;
          if (held.has(key)) anew.set(element, fresh);
          element.remove();
        }
        this.elements.set(key, (element = fresh));
      }
      element.toggleAttribute("data-away", index < first || index > last);
      if (element === next) next = next.nextSibling;
      else this.rows.insertBefore(element, next);
    }
    if (anew.size) restore(selected, (row) => anew.get(row));
    [this.first, this.last] = [first, last];
  }

  drop(wanted) {
    for (const [key, element] of this.elements) {
      if (!wanted.has(key)) { element.remove(); this.elements.delete(key); }
    }
  }

  // The rows and characters between which something is selected, in their order. What was selected beyond the area ends
  // with what is in sight; what begins elsewhere in the page is nothing of this list's.
  selected() {
    const selection = document.getSelection();
    const { anchor, focus } = ends(this.rows) ?? {};
    if (!anchor || selection.isCollapsed) return null;
    const begun = this.placeOf(anchor);
    const end = focus ? this.placeOf(focus) : this.edgeTowards(selection.focusNode, selection.focusOffset);
    const isForward = begun.index < end.index || (begun.index === end.index && begun.offset <= end.offset);
    return isForward ? { from: begun, to: end } : { from: end, to: begun };
  }

  placeOf({ row, offset }) {
    return { index: this.source.indexOfKey(row.rowKey), offset };
  }

  // Whoever let go beyond the area selected up to what was in sight then, wherever the list is scrolled to afterwards.
  endSelection() {
    const selection = document.getSelection();
    const { anchor, focus } = ends(this.rows) ?? {};
    if (!anchor || focus || selection.isCollapsed) return;
    const { index, offset } = this.edgeTowards(selection.focusNode, selection.focusOffset);
    const element = this.elements.get(this.keys.get(index));
    if (element) selection.extend(...placeIn(element, offset));
  }

  edgeTowards(node, offset) {
    const all = document.createRange();
    all.selectNodeContents(this.rows);
    if (all.comparePoint(node, offset) < 0) return { index: this.firstInSight, offset: 0 };
    return { index: this.heights.at(this.top + this.room - 1), offset: Infinity };
  }

  // Answers whether any row is taller or lower than was thought.
  measure() {
    const tall = [];
    for (const [index, key] of this.keys) {
      if (this.wraps || this.source.isTall(index) || this.heights.isOther(index)) tall.push([index, this.elements.get(key)]);
    }
    const measured = tall.map(([index, element]) => [index, element.getBoundingClientRect().height]);
    return measured.map(([index, height]) => this.heights.set(index, height)).some(Boolean);
  }

  get isScaled() {
    return this.heights.total > MOST_PIXELS;
  }

  place() {
    const total = this.heights.total;
    this.sheet.style.height = `${Math.min(total, MOST_PIXELS)}px`;
    if (!this.wraps) {
      this.widest = Math.max(this.widest, this.rows.offsetWidth);
      this.sheet.style.width = `${this.widest}px`;
    }
    if (!this.isScaled || this.following || !this.settling) this.moveBar();
    const top = this.heights.top(this.first) - this.top + this.area.scrollTop;
    this.rows.style.marginTop = `${Math.round(top)}px`;
  }

  // Puts the scroll bar where the list is.
  moveBar() {
    const wanted = this.isScaled ? (this.top / (this.heights.total - this.room)) * (MOST_PIXELS - this.room) : this.top;
    if (Math.abs(this.area.scrollTop - wanted) > 0.5) this.area.scrollTop = wanted;
    this.known = this.area.scrollTop;
  }

  // Until somebody was led where a key or a button leads, the place of the bar is an old one, or the browser's own: it
  // moves the bar when the area grows.
  get wasScrolled() {
    return !this.isLed && this.known !== null && Math.abs(this.area.scrollTop - this.known) >= 1;
  }

  // The person scrolled.
  scrolled() {
    if (!this.wasScrolled) return;
    const now = this.area.scrollTop;
    const moved = now - this.known;
    this.known = now;
    this.aim = null;
    if (this.isScaled) this.scaled(now, moved);
    else this.top = now;
    const isAtEnd = this.heights.total - this.top - this.area.clientHeight < NEAR;
    if (isAtEnd !== this.following) { this.following = isAtEnd; this.onFollow(isAtEnd); }
    // Now and not in the next frame: otherwise the rows would be seen where they were.
    this.draw();
  }

  // A small movement is meant line by line, a large one in proportion; the bar is put right when it rests.
  scaled(now, moved) {
    const lowest = this.heights.total - this.area.clientHeight;
    const end = MOST_PIXELS - this.area.clientHeight;
    if (now <= 0) this.top = 0;
    else if (now >= end - 1) this.top = lowest;
    else if (Math.abs(moved) < 2 * this.area.clientHeight) this.top += moved;
    else this.top = (now / end) * lowest;
    clearTimeout(this.settling);
    this.settling = setTimeout(() => { this.settling = 0; this.soon(); }, SETTLE);
  }
}
