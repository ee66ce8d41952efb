// Finds a text in the whole kept log: the portal searches, a stretch at a time, and the page walks on.

export const MOST_HITS = 5_000;
const PAUSE = 1_000;
const RETRY = 3_000;

export class Finder {
  // `search(parameters, signal)` answers like the portal's log/search or throws { sentence }; `changed()` is told of
  // every step.
  constructor(search, changed) {
    Object.assign(this, { search, changed });
    this.clear();
  }

  clear() {
    this.stop();
    this.query = null;
    this.hits = [];
    this.byLine = new Map();
    this.at = -1;
    this.place = null;
    this.state = "idle";
    this.sentence = "";
    this.revision = (this.revision ?? 0) + 1;
  }

  stop() {
    this.controller?.abort();
    this.controller = null;
    clearTimeout(this.timer);
  }

  // `query` is { q, regex, case }; `epochs` the oldest first.
  start(query, epochs) {
    this.clear();
    if (!query.q) { this.changed(); return; }
    this.query = query;
    this.place = { e: epochs[0], after: 0 };
    this.walk();
  }

  get isFull() {
    return this.hits.length >= MOST_HITS;
  }

  async walk() {
    const mine = (this.controller = new AbortController());
    this.state = "searching";
    try {
      while (!this.isFull) {
        const answer = await this.search({ ...this.query, ...this.place }, mine.signal);
        if (mine.signal.aborted) return;
        this.take(answer);
        if (answer.end && !answer.next_e) break;
      }
      this.state = "done";
    } catch (trouble) {
      if (mine.signal.aborted) return;
      this.state = trouble.isFinal ? "refused" : "trouble";
      this.sentence = trouble.sentence ?? "The portal does not answer; the search goes on by itself.";
      if (!trouble.isFinal) this.timer = setTimeout(() => this.walk(), RETRY);
    }
    this.controller = null;
    this.changed();
  }

  take(answer) {
    for (const [line, ranges, text, second] of answer.hits) {
      if (this.isFull) break;
      this.byLine.set(`${answer.e}.${line}`, this.hits.length);
      this.hits.push({ epoch: answer.e, line, ranges, text, second });
    }
    this.place = answer.end && answer.next_e ? { e: answer.next_e, after: 0 } : { e: answer.e, after: answer.upto };
    this.revision += 1;
    this.changed();
  }

  // The log grew: look through what is new, but not with every line.
  grew() {
    if (this.state !== "done" || this.isFull || !this.query) return;
    this.state = "waiting";
    this.timer = setTimeout(() => this.walk(), PAUSE);
  }

  hitsOf(epoch, line) {
    const index = this.byLine.get(`${epoch}.${line}`);
    return index === undefined ? null : this.hits[index].ranges;
  }

  isNow(epoch, line) {
    const now = this.hits[this.at];
    return now?.epoch === epoch && now.line === line;
  }

  // Steps to the next or previous line found, round the end; the first step begins behind `place` if it says so.
  step(by, nearest) {
    if (!this.hits.length) return null;
    if (this.at < 0) this.at = nearest(this.hits, by);
    else this.at = (this.at + by + this.hits.length) % this.hits.length;
    this.revision += 1;
    return this.hits[this.at];
  }

  get words() {
    if (!this.query) return "";
    if (this.state === "refused" || this.state === "trouble") return this.sentence;
    const total = this.hits.length.toLocaleString("en");
    const lines = this.hits.length === 1 ? "line" : "lines";
    if (this.isFull) return `the first ${total} lines; find something rarer to see all`;
    const found = this.at >= 0 ? `${(this.at + 1).toLocaleString("en")} of ${total} ${lines}` : `${total} ${lines}`;
    if (this.state === "searching") return `${found} so far, up to line ${this.place.after.toLocaleString("en")}`;
    return this.hits.length ? found : "not found";
  }
}

// What is shown when only the lines found are: the same words as the store's.
export class FoundRows {
  constructor(finder) {
    this.finder = finder;
  }

  get count() {
    return this.finder.hits.length;
  }

  row(index) {
    return this.finder.hits[index];
  }

  key(index) {
    const hit = this.row(index);
    return `${hit.epoch}.${hit.line}`;
  }

  indexOfKey(key) {
    return this.finder.byLine.get(key) ?? -1;
  }

  shown() {}
}
