// The keys of a log. They work wherever the focus is on the page, but in fields and dialogs.

const FIELDS = "input, textarea, select, [contenteditable]:not([contenteditable='false']), dialog";

export class Keys {
  constructor(view) {
    this.view = view;
  }

  start() {
    this.view.listen(this.view.element, "keydown", (event) => this.ownKey(event));
    this.view.listen(document, "keydown", (event) => this.pageKey(event));
    this.view.listen(document, "copy", (event) => this.view.copying.copied(event));
  }

  // Keys that mean something else outside of the log.
  ownKey(event) {
    const { choice, finding, area } = this.view;
    if ((event.ctrlKey || event.metaKey) && event.key === "f") this.does(event, () => finding.open());
    else if (event.key === "Escape" && finding.isOpen) this.does(event, () => finding.close());
    else if ((event.ctrlKey || event.metaKey) && event.key === "a" && event.target === area) this.does(event, () => choice.chooseAll());
    else if (event.target === area) this.chooses(event);
  }

  // Enter chooses the first line in sight; then the arrows lead to others, and with Shift make a range of them.
  chooses(event) {
    const { choice, list } = this.view;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter") this.does(event, () => choice.chooseRow(list.firstInSight, event.shiftKey));
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by && choice.lines) this.does(event, () => choice.move(by, event.shiftKey));
  }

  pageKey(event) {
    const { choice, finding, list, area } = this.view;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.(FIELDS) || document.querySelector("dialog[open]")) return;
    // Nobody steers what is not to be seen.
    if (!area.clientHeight) return;
    if (event.key === "Escape" && choice.lines) { this.does(event, () => choice.letGo()); return; }
    const line = list.heights.usual;
    const does = {
      j: () => list.move(line),
      k: () => list.move(-line),
      g: () => this.toStart(),
      Home: () => this.toStart(),
      G: () => list.follow(true),
      End: () => list.follow(true),
      f: () => list.follow(!list.following),
      w: () => this.view.toggle("wrap"),
      t: () => this.view.toggle("times"),
      n: () => finding.step(1),
      N: () => finding.step(-1),
      "/": () => finding.open(),
    }[event.key];
    if (does) this.does(event, does);
  }

  does(event, then) {
    event.preventDefault();
    then();
  }

  toStart() {
    this.view.list.follow(false);
    this.view.list.goTo(0, 0);
  }
}
