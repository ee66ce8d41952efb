// The lines that somebody chose, by their numbers or by the address of the page; the address names what is chosen.

import { address, placeIn } from "./row.js";

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
    history.replaceState(history.state, "", location.pathname + location.search);
    this.view.copying.offerPart();
    this.view.list.soon();
  }

  choose(epoch, start, line) {
    const [from, to] = [Math.min(start, line), Math.max(start, line)];
    this.lines = { epoch, start, from, to };
    history.replaceState(history.state, "", `#${address(epoch, from, to)}`);
    this.view.copying.offerPart();
    this.view.list.soon();
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
    if (!view.store.epochs.includes(epoch) || view.store.indexOf(epoch, this.wanted.to) < 0) return;
    const { from, to } = this.wanted;
    this.wanted = null;
    this.lines = { epoch, start: from, from, to };
    view.copying.offerPart();
    this.goTo(epoch, from);
    if (document.activeElement === document.body) view.area.focus({ preventScroll: true });
  }

  goTo(epoch, line) {
    const { list } = this.view;
    const index = list.source.indexOfKey(`${epoch}.${line}`);
    if (index >= 0) list.goTo(index);
  }
}
