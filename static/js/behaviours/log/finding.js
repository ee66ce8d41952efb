// The bar with which a text is found in the whole log: typing, stepping from one line found to the next, showing only
// the lines found.

import { Finder, FoundRows } from "./finder.js";
import { Rows } from "./rows.js";
import { write } from "./words.js";

const TYPING = 250;
// What is left free beside a hit, in pixels.
const BESIDE = 48;

export class Finding {
  constructor(view) {
    this.view = view;
    this.wantedStep = 0;
    this.finder = new Finder((...query) => this.search(...query), () => this.found(), () => this.arrive());
  }

  start() {
    const { view } = this;
    const query = view.part("query");
    view.press("find", () => this.open());
    view.listen(view.part("search"), "submit", (event) => { event.preventDefault(); this.step(1); });
    view.listen(query, "input", () => this.findSoon());
    view.listen(query, "keydown", (event) => {
      // Not left to the form, whose button is disabled while nothing is found.
      if (event.key === "Enter") { event.preventDefault(); this.step(event.shiftKey ? -1 : 1); }
    });
    view.press("previous", () => this.step(-1));
    view.press("close", () => this.close());
    view.press("filter", () => this.setFiltered(!this.isFiltered));
    for (const name of ["case", "regex"]) {
      view.press(name, () => { flip(view.part(name)); this.find(); });
    }
  }

  stop() {
    this.finder.stop();
    clearTimeout(this.typing);
  }

  get isOpen() {
    return !this.view.part("search").hidden;
  }

  get isFiltered() {
    return this.view.list.source !== this.view.whole;
  }

  open() {
    const { view } = this;
    view.part("search").hidden = false;
    view.part("find").setAttribute("aria-expanded", "true");
    view.part("query").focus();
    view.part("query").select();
  }

  close() {
    const { view } = this;
    this.setFiltered(false);
    view.part("search").hidden = true;
    view.part("find").setAttribute("aria-expanded", "false");
    view.part("query").value = "";
    this.finder.clear();
    this.found();
    view.area.focus();
  }

  findSoon() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.find(), TYPING);
  }

  find() {
    clearTimeout(this.typing);
    const { view } = this;
    const query = { q: view.part("query").value };
    if (isPressed(view.part("case"))) query.case = 1;
    if (isPressed(view.part("regex"))) query.regex = 1;
    // What is being read must not run away from under the eyes.
    if (query.q) view.list.follow(false);
    this.finder.start(query, view.store.epochs);
    if (this.isFiltered) view.list.renew({ keep: false });
  }

  async search(parameters, signal) {
    const response = await this.view.ask("search", parameters, signal);
    if (response.ok) return response.json();
    const said = await response.json().catch(() => ({}));
    throw { sentence: said.error, isFinal: response.status === 422 };
  }

  found() {
    const { view } = this;
    write(view.part("hits"), this.finder.words);
    view.part("hits").title = this.finder.hits.length ? this.finder.limit : "";
    const isWrong = this.finder.state === "refused";
    view.part("query").setAttribute("aria-invalid", String(isWrong));
    for (const name of ["next", "previous"]) view.part(name).disabled = !this.finder.hits.length;
    view.copying.offerPart();
    view.list.soon();
    if (this.wantedStep && this.finder.hits.length) this.step(this.wantedStep);
  }

  step(by) {
    const { list } = this.view;
    // Enter may come before what was typed has been looked for, or found.
    if (this.view.part("query").value !== (this.finder.query?.q ?? "")) this.find();
    this.wantedStep = this.finder.hits.length || this.finder.state !== "searching" ? 0 : by;
    const hit = this.finder.step(by, (hits) => this.nearest(hits, by));
    if (hit) this.arrive();
    else if (this.finder.landing && this.isFiltered) list.renew({ keep: false });
  }

  // Shows the present hit.
  arrive() {
    const { list } = this.view;
    const hit = this.finder.hits[this.finder.at];
    const index = list.source.indexOfKey(`${hit.epoch}.${hit.line}`);
    if (index >= 0 && !list.isInSight(index)) list.goTo(index);
    list.follow(false);
    this.found();
    this.moveTo();
  }

  // Scrolls to the present hit of a long line, once it is drawn: it may be far to the right, or wrapped far below.
  moveTo() {
    const { area, list } = this.view;
    list.draw();
    const mark = area.querySelector(".log__behind .log__hit--now") ?? area.querySelector(".log__hit--now");
    const number = area.querySelector(".log__number");
    if (!mark || !number) return;
    const [own, box, edge] = [mark.getBoundingClientRect(), area.getBoundingClientRect(), number.getBoundingClientRect().right];
    if (own.left < edge) area.scrollLeft -= edge - own.left + BESIDE;
    else if (own.right > box.right) area.scrollLeft += own.right - box.right + BESIDE;
    if (own.top < box.top) list.move(own.top - box.top - BESIDE);
    else if (own.bottom > box.bottom) list.move(own.bottom - box.bottom + BESIDE);
  }

  // The first line found that is in sight or behind it; going back, the last one before.
  nearest(hits, by) {
    const { list } = this.view;
    const place = ({ epoch, line }) => list.source.indexOfKey(`${epoch}.${line}`);
    const here = list.firstInSight;
    const behind = hits.findIndex((hit) => place(hit) >= here);
    if (by > 0) return Math.max(0, behind);
    return behind > 0 ? behind - 1 : hits.length - 1;
  }

  setFiltered(on) {
    if (on === this.isFiltered) return;
    const { view } = this;
    view.part("filter").setAttribute("aria-pressed", String(on));
    view.list.use(on ? new Rows(new FoundRows(this.finder), view) : view.whole);
    view.list.follow(false);
  }
}

function flip(button) {
  button.setAttribute("aria-pressed", String(!isPressed(button)));
}

function isPressed(button) {
  return button.getAttribute("aria-pressed") === "true";
}
