// The keys of a log.

export class Keys {
  constructor(view) {
    this.view = view;
  }

  start() {
    this.view.listen(this.view.element, "keydown", (event) => this.key(event));
    this.view.listen(document, "keydown", (event) => this.pageKey(event));
  }

  key(event) {
    const { choice, finding, list } = this.view;
    if ((event.ctrlKey || event.metaKey) && event.key === "f") { event.preventDefault(); finding.open(); return; }
    if (event.key === "Escape" && finding.isOpen) { event.preventDefault(); finding.close(); return; }
    if (event.key === "Escape" && choice.lines) { event.preventDefault(); choice.letGo(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input")) return;
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
    }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  }

  toStart() {
    this.view.list.follow(false);
    this.view.list.goTo(0, 0);
  }

  pageKey(event) {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, dialog")) return;
    event.preventDefault();
    this.view.finding.open();
  }
}
