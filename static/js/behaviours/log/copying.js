// Takes lines away: into the clipboard, as a link, as a file.

import { visible } from "./ansi.js";
import { address } from "./row.js";
import { write } from "./words.js";

const MOST_COPIED = 5_000;
const SHOWN = 2_000;

export class Copying {
  constructor(view) {
    this.view = view;
  }

  async copy() {
    await this.toClipboard(this.view.part("copy"), await this.text());
  }

  async copyLink() {
    const { view } = this;
    const row = view.list.source.row(view.list.firstInSight);
    const place = view.choice.lines ?? (row?.line && { epoch: row.epoch, from: row.line, to: row.line });
    if (!place) return;
    const link = new URL(location.href);
    link.hash = address(place.epoch, place.from, place.to);
    await this.toClipboard(view.part("link"), link.href);
  }

  // The button says it in a word, so that it keeps its width; all of it is said aloud.
  async toClipboard(button, text) {
    let [word, sentence] = ["Copied", "Copied."];
    try {
      if (text === null) throw new Error("too much");
      await navigator.clipboard.writeText(text);
    } catch {
      [word, sentence] = text === null
        ? ["Too long", "That is too long for the clipboard: download it instead."]
        : ["Failed", "The browser did not let it be copied."];
    }
    write(button, word);
    button.title = sentence;
    document.getElementById("said").textContent = sentence;
    setTimeout(() => { write(button, button.dataset.words); button.title = button.dataset.title; }, SHOWN);
  }

  // The selection, else the chosen lines, else all that is shown; null for more than belongs into a clipboard.
  async text() {
    const { view } = this;
    const selection = document.getSelection();
    const { source } = view.list;
    if (!selection.isCollapsed && view.part("lines").contains(selection.anchorNode)) return selectedText(selection, view.part("lines"));
    const { lines } = view.choice;
    const rows = [];
    const [first, last] = lines && !view.finding.isFiltered
      ? [view.store.indexOf(lines.epoch, lines.from), view.store.indexOf(lines.epoch, lines.to)]
      : [0, source.count - 1];
    if (first < 0 || last - first >= MOST_COPIED) return null;
    for (let index = first; index <= last; index += 1) rows.push(await this.wholeRow(source, index));
    return rows.filter((row) => row.note === undefined).map((row) => visible(row.text ?? "")).join("\n");
  }

  // The browser copies what is selected in the page; what is chosen, which may not be there, is copied by us.
  copied(event) {
    const { view } = this;
    if (!view.choice.lines || !document.getSelection().isCollapsed) return;
    if (document.activeElement !== view.area) return;
    event.preventDefault();
    this.copy();
  }

  async wholeRow(source, index) {
    const row = source.row(index);
    if (row.note === undefined && row.text === undefined) await this.view.store.fetch({ epoch: row.epoch, from: row.line, to: row.line + 500 });
    const found = source.row(index);
    return found.length ? { ...found, text: await this.wholeText(found) } : found;
  }

  // Of a long line only the beginning is in the page.
  async wholeText({ epoch, line }) {
    const response = await this.view.ask("lines", { e: epoch, from: line, to: line, whole: 1 });
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
