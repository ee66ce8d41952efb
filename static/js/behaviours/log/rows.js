// The rows of a store or of what was found, with how each of them looks now.

import { lineRow, noteRow } from "./row.js";

export class Rows {
  constructor(text, view) {
    Object.assign(this, { text, view });
  }

  get count() { return this.text.count; }
  row(index) { return this.text.row(index); }
  key(index) { return this.text.key(index); }
  indexOfKey(key) { return this.text.indexOfKey(key); }

  isTall(index) {
    const row = this.text.row(index);
    return row.note !== undefined || this.view.finding.finder.behindOf(row.epoch, row.line).length > 0;
  }

  isAbsent(index) { const row = this.text.row(index); return row.note === undefined && row.text === undefined; }
  shown(first, last) { this.text.shown(first, last); }

  face(index) {
    const row = this.text.row(index);
    if (row.note !== undefined) return row.note;
    const { choice, finding, store } = this.view;
    const { finder } = finding;
    const found = finder.hitsOf(row.epoch, row.line) ? `${finder.query.q} ${finder.nowIn(row.epoch, row.line)}` : "";
    // A line that is whole never changes.
    const text = row.text === undefined ? `absent ${store.hasFailed}` : row.partial ? `partial ${row.look} ${row.text}` : "";
    return `${choice.has(row.epoch, row.line)} ${found} ${text}`;
  }

  element(index) {
    const row = this.text.row(index);
    if (row.note !== undefined) return noteRow(row);
    const { choice, finding, store } = this.view;
    return lineRow(row, {
      chosen: choice.has(row.epoch, row.line),
      hits: finding.finder.hitsOf(row.epoch, row.line),
      behind: finding.finder.behindOf(row.epoch, row.line),
      now: finding.finder.nowIn(row.epoch, row.line),
      failed: store.hasFailed,
    });
  }
}
