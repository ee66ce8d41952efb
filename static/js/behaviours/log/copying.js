// Takes lines away: into the clipboard, as a link, as a file.

import { visible } from "./ansi.js";
import { address } from "./row.js";
import { write } from "./words.js";

const MOST_COPIED = 5_000;
const SHOWN = 2_000;

class NotHereError extends Error {}

export class Copying {
  constructor(view) {
    this.view = view;
  }

  async copy() {
    await this.toClipboard("copy", () => this.text());
  }

  async copyLink() {
    const { view } = this;
    const row = view.list.source.row(view.list.firstInSight);
    const place = view.choice.lines ?? (row?.line && { epoch: row.epoch, from: row.line, to: row.line });
    if (!place) return;
    const link = new URL(location.href);
    link.hash = address(place.epoch, place.from, place.to);
    await this.toClipboard("link", () => link.href);
  }

  async toClipboard(name, made) {
    try {
      const text = await made();
      if (text === null) { this.tell(name, "Too long", "That is too long for the clipboard: download it instead."); return; }
      await navigator.clipboard.writeText(text);
      this.tell(name, "Copied", "Copied.");
    } catch (error) {
      const isLost = error instanceof NotHereError;
      const sentence = isLost ? "A part of it could not be loaded; nothing was copied. Try again." : "The browser did not let it be copied.";
      this.tell(name, "Failed", sentence);
    }
  }

  // The button says it in a word, so that it keeps its width; all of it is said aloud.
  tell(name, word, sentence) {
    const button = this.view.part(name);
    write(button, word);
    button.title = sentence;
    document.getElementById("said").textContent = sentence;
    setTimeout(() => { write(button, button.dataset.words); button.title = button.dataset.title; }, SHOWN);
  }

  // The selection, else the chosen lines, else all that is shown; null for more than belongs into a clipboard.
  async text() {
    const { source } = this.view.list;
    const range = this.range();
    if (isTooLong(range)) return null;
    const rows = [];
    for (let index = range.from.index; index <= range.to.index; index += 1) rows.push(await this.wholeRow(source, index));
    return joined(rows, range);
  }

  // The same where all of it is in the page; nothing otherwise.
  textHere() {
    const { source } = this.view.list;
    const range = this.range();
    if (isTooLong(range)) return null;
    const rows = [];
    for (let index = range.from.index; index <= range.to.index; index += 1) {
      const row = source.row(index);
      if (row.length || source.isAbsent(index)) return null;
      rows.push(row);
    }
    return joined(rows, range);
  }

  range() {
    const { view } = this;
    const { lines } = view.choice;
    const selected = view.list.selected();
    if (selected) return selected;
    const [first, last] = lines && !view.finding.isFiltered
      ? [view.store.indexOf(lines.epoch, lines.from), view.store.indexOf(lines.epoch, lines.to)]
      : [0, view.list.source.count - 1];
    return { from: { index: first, offset: 0 }, to: { index: last, offset: Infinity } };
  }

  // Rows stand apart in the page, and most are not in it: of several lines, and of what is chosen, the copy is ours.
  copied(event) {
    const { view } = this;
    if (event.target.closest?.("input, textarea")) return;
    const selected = view.list.selected();
    const isOurs = selected
      ? selected.from.index < selected.to.index
      : view.choice.lines && document.getSelection().isCollapsed && document.activeElement === view.area;
    if (!isOurs) return;
    event.preventDefault();
    const text = this.textHere();
    if (text === null) { this.copy(); return; }
    event.clipboardData.setData("text/plain", text);
    this.tell("copy", "Copied", "Copied.");
  }

  async wholeRow(source, index) {
    if (source.isAbsent(index)) {
      const { epoch, line } = source.row(index);
      await this.view.store.fetch({ epoch, from: line, to: line + 500 });
      if (source.isAbsent(index)) throw new NotHereError();
    }
    const found = source.row(index);
    return found.length ? { ...found, text: await this.wholeText(found) } : found;
  }

  // Of a long line only the beginning is in the page.
  async wholeText({ epoch, line }) {
    const response = await this.view.ask("lines", { e: epoch, from: line, to: line, whole: 1 });
    if (!response.ok) throw new NotHereError();
    return (await response.json()).lines[0];
  }

  // The download of what is chosen or found stands beside that of the whole.
  offerPart() {
    const { view } = this;
    const link = view.part("part");
    const found = view.finding.isOpen && view.finding.finder.query;
    const { lines } = view.choice;
    link.hidden = !found && !lines;
    const file = new URL(`${view.element.dataset.address}/kept.txt`, location.href);
    const parameters = found || (lines && { e: lines.epoch, from: lines.from, to: lines.to }) || {};
    for (const [name, value] of Object.entries(parameters)) file.searchParams.set(name, value);
    link.href = file;
    write(link, found ? "Download found" : "Download chosen");
  }
}

function isTooLong({ from, to }) {
  return from.index < 0 || to.index - from.index >= MOST_COPIED;
}

// The text of rows, from a character of the first of them to one of the last.
function joined(rows, { from, to }) {
  const parts = [];
  rows.forEach((row, place) => {
    if (row.note !== undefined) return;
    const end = place === rows.length - 1 ? to.offset : Infinity;
    parts.push(visible(row.text ?? "").slice(place === 0 ? from.offset : 0, end));
  });
  return parts.join("\n");
}
