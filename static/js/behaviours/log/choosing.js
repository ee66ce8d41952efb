// The lines that somebody chose, by their numbers or by the address of the page; the address names what is chosen.

import { address, placeIn } from "./row.js";
import { count } from "./words.js";

export class Choice {
  constructor(view) {
    this.view = view;
    // { epoch, start, from, to }, or nothing.
    this.lines = null;
    // What the page's address names, until it is known where that is.
    this.wanted = placeIn(location.hash);
  }

  clicked(event) {
    const { view } = this;
    const number = event.target.closest(".log__number");
    if (!number || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const line = Number(number.dataset.number);
    const { epoch } = placeIn(number.hash);
    if (view.finding.isFiltered) { view.finding.setFiltered(false); this.goTo(epoch, line); }
    const isRange = event.shiftKey && this.lines?.epoch === epoch;
    const isAll = !isRange && this.has(epoch, line) && this.lines.from === this.lines.to;
    if (isAll) this.letGo();
    else this.choose(epoch, isRange ? this.lines.start : line, line);
    view.list.follow(false);
    // The row with the link is drawn anew; the keys go on in the log.
    view.area.focus({ preventScroll: true });
  }

  letGo() {
    this.lines = null;
    this.dropWanted();
    history.replaceState(history.state, "", location.pathname + location.search);
    this.view.copying.offerPart();
    this.view.list.soon();
  }

  choose(epoch, start, line) {
    const [from, to] = [Math.min(start, line), Math.max(start, line)];
    this.lines = { epoch, start, from, to };
    this.dropWanted();
    history.replaceState(history.state, "", `#${address(epoch, from, to)}`);
    this.view.copying.offerPart();
    this.view.list.soon();
  }

  // Whoever chose for themselves is led nowhere else when the log comes to what the address had named.
  dropWanted() {
    this.wanted = null;
    this.view.tell("");
  }

  // All that there is of the text that is read, which is more than the page holds.
  chooseAll() {
    const { view } = this;
    const row = view.list.source.row(view.list.firstInSight);
    const part = view.store.lastOf(row?.epoch ?? view.cursor?.epoch);
    if (!part || part.to < part.from) return;
    document.getSelection().removeAllRanges();
    view.list.follow(false);
    this.choose(part.epoch, part.from, part.to);
  }

  chooseRow(index, isRange) {
    const row = this.view.list.source.row(index);
    if (!row?.line) return;
    this.view.list.follow(false);
    this.choose(row.epoch, isRange && this.lines?.epoch === row.epoch ? this.lines.start : row.line, row.line);
  }

  // Goes one line on, or one back, from the end of what is chosen that moves.
  move(by, isRange) {
    const { list } = this.view;
    const { epoch, start, from, to } = this.lines;
    const index = list.source.indexOfKey(`${epoch}.${start === from ? to : from}`) + by;
    const row = index >= 0 && index < list.source.count ? list.source.row(index) : null;
    if (!row?.line || row.epoch !== epoch) return;
    this.choose(epoch, isRange ? start : row.line, row.line);
    if (!list.isInSight(index)) list.goTo(index);
  }

  has(epoch, line) {
    const { lines } = this;
    return lines !== null && lines.epoch === epoch && lines.from <= line && line <= lines.to;
  }

  goToHash() {
    this.wanted = placeIn(location.hash);
    this.goToWanted();
  }

  // Goes to the line of the page's address as soon as it is known where it is.
  goToWanted() {
    if (!this.wanted) return;
    const { view } = this;
    const epoch = this.wanted.epoch ?? view.cursor?.epoch;
    const isThere = (line) => view.store.epochs.includes(epoch) && view.store.indexOf(epoch, line) >= 0;
    const { from } = this.wanted;
    let { to } = this.wanted;
    if (isThere(to)) view.tell("");
    else {
      // What is still on its way is waited for.
      if (!view.isUpToDate) return;
      this.tell(epoch);
      to = view.store.lastOf(epoch)?.to ?? 0;
      if (!isThere(from) || to < from) return;
    }
    this.wanted = null;
    this.lines = { epoch, start: from, from, to };
    view.copying.offerPart();
    this.goTo(epoch, from);
    if (document.activeElement === document.body) view.area.focus({ preventScroll: true });
  }

  // Says what of the page's address cannot be shown. A log that goes on may still come to it.
  tell(epoch) {
    const { view, wanted } = this;
    const last = view.store.lastOf(epoch)?.to;
    const lines = wanted.to > wanted.from ? `lines ${count(wanted.from)} to ${count(wanted.to)}` : `line ${count(wanted.from)}`;
    const has = last ? `This log has ${count(last)} ${last === 1 ? "line" : "lines"}` : "Of that part of the log nothing is kept";
    const goesOn = view.state.state === "live" && last ? " so far" : "";
    view.tell(`${has}${goesOn}; the link leads to ${lines}.`);
  }

  goTo(epoch, line) {
    const { list } = this.view;
    const index = list.source.indexOfKey(`${epoch}.${line}`);
    if (index >= 0) list.goTo(index);
  }
}
