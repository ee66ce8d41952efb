// The text of a log as far as the page has it: parts in their order, each a note or numbered lines of one epoch.
//
// Lines that were not sent, or left to make room, are loaded when they come into sight; where a part's lines are is
// known without them.

const CHUNK = 256;
// So many characters are held; what was not in sight for longest leaves first.
const MOST_CHARACTERS = 8_000_000;
const AROUND = 200;
const RETRY = 5_000;

export class Store {
  // `load(epoch, from, to)` answers like the portal's log/lines; `changed(shape)` is told when rows look different,
  // with true if there are other rows than before.
  constructor(load, changed) {
    Object.assign(this, { load, changed });
    this.clear();
  }

  clear() {
    this.parts = [];
    this.chunks = new Map();
    this.characters = 0;
    // The line that is not whole yet, and the look with which it begins.
    [this.partial, this.partialLook] = [null, ""];
    this.loading?.abort();
    this.loading = null;
    this.failedAt = 0;
    this.notes = 0;
  }

  // Parts.

  begin(epoch, from = 1) {
    this.partial = null;
    this.parts.push({ epoch, from, to: from - 1 });
  }

  note(text, kind = "") {
    this.partial = null;
    this.parts.push({ note: text, kind, key: `note ${(this.notes += 1)}` });
  }

  // There are lines up to `to`; they may not be here.
  extend(epoch, to) {
    this.partial = null;
    const part = this.lastOf(epoch);
    if (part && to > part.to) part.to = to;
  }

  // `said` is what the portal says of lines: the lines, runs of the moments `at` which they arrived and of the `looks`
  // with which they begin, and in `long` those of which only the beginning is here, with their lengths.
  put(epoch, from, said) {
    const [lengths, moments, looks] = [said.long, said.at, said.looks].map((pairs) => new Map(pairs ?? []));
    let [second, look] = [null, ""];
    said.lines.forEach((text, index) => {
      second = moments.get(index) ?? second;
      look = looks.get(index) ?? look;
      this.keep(epoch, from + index, { text, second, look, length: lengths.get(index) ?? null });
    });
    this.makeRoom();
  }

  // Lines `from` to `to`, behind all that is known of the epoch, were not sent and are no longer kept.
  skip(epoch, from, to) {
    const part = this.lastOf(epoch);
    if (part && part.to < part.from) this.parts.splice(this.parts.indexOf(part), 1);
    this.parts.push(lostNote(epoch, from, to));
    this.begin(epoch, to + 1);
  }

  // Lines up to `upto` are no longer kept by the portal.
  lose(epoch, upto) {
    const left = [];
    for (const part of this.parts) {
      if (part.epoch !== epoch || part.from > upto) { left.push(part); continue; }
      const lost = Math.min(upto, part.to);
      const before = left.at(-1)?.lost === epoch ? left.pop() : part;
      if (lost >= before.from) left.push(lostNote(epoch, before.from, lost));
      left.push({ epoch, from: lost + 1, to: part.to });
    }
    this.parts = left;
    this.changed(true);
  }

  lastOf(epoch) {
    return this.parts.findLast((part) => part.epoch === epoch);
  }

  get epochs() {
    return [...new Set(this.parts.filter((part) => part.epoch !== undefined).map((part) => part.epoch))];
  }

  // Rows.

  get count() {
    return this.parts.reduce((sum, part) => sum + size(part), 0) + (this.partial === null ? 0 : 1);
  }

  // What is in row `index`: { note } or { epoch, line, text, second, look, length, partial }; a text that is not here is
  // undefined.
  row(index) {
    let left = index;
    for (const part of this.parts) {
      if (left >= size(part)) { left -= size(part); continue; }
      return part.note === undefined ? this.line(part.epoch, part.from + left) : part;
    }
    const last = this.parts.findLast((part) => part.epoch !== undefined);
    return { epoch: last.epoch, line: last.to + 1, text: this.partial, second: null, look: this.partialLook, partial: true };
  }

  line(epoch, line) {
    const here = this.chunks.get(chunkOf(epoch, line))?.lines[line % CHUNK];
    return { epoch, line, text: here?.text, second: here?.second ?? null, look: here?.look ?? "", length: here?.length ?? null };
  }

  key(index) {
    const row = this.row(index);
    return row.key ?? `${row.epoch}.${row.line}`;
  }

  indexOfKey(key) {
    let index = 0;
    const [epoch, line] = key.split(".").map(Number);
    for (const part of this.parts) {
      if (part.key === key) return index;
      if (part.epoch === epoch && line >= part.from && line <= part.to) return index + line - part.from;
      index += size(part);
    }
    const last = this.parts.findLast((part) => part.epoch !== undefined);
    return this.partial !== null && last?.epoch === epoch && line === last.to + 1 ? index : -1;
  }

  indexOf(epoch, line) {
    return this.indexOfKey(`${epoch}.${line}`);
  }

  // Loading what is in sight.

  shown(first, last) {
    if (this.loading || Date.now() - this.failedAt < RETRY) return;
    const missing = this.missing(first, last);
    if (missing) this.fetch(missing);
  }

  missing(first, last) {
    let found = null;
    for (let index = first; index <= last; index += 1) {
      const row = this.row(index);
      if (row.note !== undefined || row.text !== undefined) { if (found) break; continue; }
      found ??= { epoch: row.epoch, from: row.line, to: row.line };
      if (row.epoch !== found.epoch) break;
      found.to = row.line;
    }
    return found && this.widened(found);
  }

  // A little more than what is in sight, in the direction where more is missing.
  widened({ epoch, from, to }) {
    const part = this.parts.find((each) => each.epoch === epoch && from >= each.from && to <= each.to);
    const wanted = { epoch, from, to };
    while (wanted.from > part.from && from - wanted.from < AROUND && this.line(epoch, wanted.from - 1).text === undefined) wanted.from -= 1;
    while (wanted.to < part.to && wanted.to - to < AROUND && this.line(epoch, wanted.to + 1).text === undefined) wanted.to += 1;
    return wanted;
  }

  async fetch({ epoch, from, to }) {
    const mine = (this.loading = new AbortController());
    try {
      const answer = await this.load(epoch, from, to, mine.signal);
      if (mine.signal.aborted) return;
      this.put(epoch, answer.from, answer);
      if (answer.first === null) this.lose(epoch, to);
      else if (answer.first > from) this.lose(epoch, answer.first - 1);
      else if (!answer.lines.length) throw new Error("nothing came");
    } catch {
      if (mine.signal.aborted) return;
      this.failedAt = Date.now();
      setTimeout(() => this.changed(false), RETRY + 100);
    } finally {
      if (this.loading === mine) this.loading = null;
    }
    this.changed(false);
  }

  get hasFailed() {
    return Date.now() - this.failedAt < RETRY;
  }

  // Chunks.

  keep(epoch, line, here) {
    const key = chunkOf(epoch, line);
    let chunk = this.chunks.get(key);
    if (!chunk) chunk = { lines: [], characters: 0 };
    // The chunk that was used last stands last.
    this.chunks.delete(key);
    this.chunks.set(key, chunk);
    const place = line % CHUNK;
    const more = here.text.length - (chunk.lines[place]?.text.length ?? 0);
    chunk.lines[place] = here;
    chunk.characters += more;
    this.characters += more;
  }

  makeRoom() {
    for (const [key, chunk] of this.chunks) {
      if (this.characters <= MOST_CHARACTERS || this.chunks.size <= 8) return;
      this.chunks.delete(key);
      this.characters -= chunk.characters;
    }
  }
}

function size(part) {
  return part.note === undefined ? part.to - part.from + 1 : 1;
}

function chunkOf(epoch, line) {
  return `${epoch}/${Math.floor(line / CHUNK)}`;
}

function lostNote(epoch, from, to) {
  const [first, last] = [from.toLocaleString("en"), to.toLocaleString("en")];
  const words = from === to ? `Line ${first} is no longer kept` : `Lines ${first} to ${last} are no longer kept`;
  return { note: words, kind: "gap", key: `lost ${epoch} ${from}`, lost: epoch, from, to };
}
