// Finds a text in the whole kept log: the portal searches, a stretch at a time, and the page walks on.
//
// Only so many lines found are held: of more there is a window, which moves on when somebody steps over its end.

export const MOST_LINES = 5_000;
const PAUSE = 1_000;
const RETRY = 3_000;

export class Finder {
  // `search(parameters, signal)` answers like the portal's log/search or throws { sentence }; `changed()` is told of
  // every step, `landed()` when a step that had to wait for the portal came to its hit.
  constructor(search, changed, landed) {
    Object.assign(this, { search, changed, landed });
    this.clear();
  }

  clear() {
    this.query = null;
    // Where each window begins, and how many hits are before it; the present one is the last.
    this.windows = [];
    this.empty();
    this.state = "idle";
    this.sentence = "";
    this.landing = null;
  }

  empty() {
    this.stop();
    // The lines found: { epoch, line, ranges, text, second, length, look, behind }; and how many hits are in them.
    this.hits = [];
    this.count = 0;
    this.byLine = new Map();
    // The present hit: which of the lines, which of its ranges, and its number in the window.
    [this.at, this.within, this.number] = [-1, 0, 0];
    this.place = null;
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
    this.open({ place: { e: epochs[0], after: 0 }, before: 0 });
  }

  open(window) {
    this.empty();
    this.windows.push(window);
    this.place = window.place;
    this.walk();
  }

  get isFull() {
    return this.hits.length >= MOST_LINES;
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
    this.land();
    this.changed();
  }

  take(answer) {
    let upTo = answer.upto;
    for (const [line, ranges, text, second, length, look, behind] of answer.hits) {
      if (this.isFull) { upTo = this.hits.at(-1).line; break; }
      this.byLine.set(`${answer.e}.${line}`, this.hits.length);
      this.hits.push({ epoch: answer.e, line, ranges, text, second, length, look, behind });
      this.count += ranges.length;
    }
    const isThrough = answer.end && answer.next_e && upTo === answer.upto;
    this.place = isThrough ? { e: answer.next_e, after: 0 } : { e: answer.e, after: upTo };
    this.changed();
  }

  // A step led out of the window: what it was to come to is here now.
  land() {
    if (!this.landing || this.state !== "done") return;
    if (this.landing === "end" && this.isFull) { this.open(this.following()); return; }
    const isLast = this.landing !== "first";
    if (!this.hits.length && this.windows.length > 1) { this.goBack(); return; }
    this.landing = null;
    if (!this.hits.length) return;
    this.goTo(isLast ? this.hits.length - 1 : 0, isLast);
    this.landed();
  }

  following() {
    return { place: this.place, before: this.before + this.count };
  }

  goBack() {
    this.windows.pop();
    this.landing = "last";
    this.open(this.windows.pop());
  }

  // The log grew: look through what is new, but not with every line.
  grew() {
    if (this.state !== "done" || this.isFull || !this.query) return;
    this.state = "waiting";
    this.timer = setTimeout(() => this.walk(), PAUSE);
  }

  hitsOf(epoch, line) {
    return this.found(epoch, line)?.ranges ?? null;
  }

  // What was found behind the beginning of a long line, which is all that is here of it: as the portal says it.
  behindOf(epoch, line) {
    return this.found(epoch, line)?.behind ?? [];
  }

  found(epoch, line) {
    return this.hits[this.byLine.get(`${epoch}.${line}`)];
  }

  // Which of a line's ranges is the present hit; none of them if it is elsewhere.
  nowIn(epoch, line) {
    const now = this.hits[this.at];
    return now?.epoch === epoch && now.line === line ? this.within : -1;
  }

  // Steps to the next or previous hit, round the end; the first step begins where `nearest(hits, by)` says. Answers the
  // line found, or null while it has to be looked for first.
  step(by, nearest) {
    if (!this.hits.length || this.landing) return null;
    if (this.at < 0) this.goTo(nearest(this.hits, by), by < 0);
    else if (this.hits[this.at].ranges[this.within + by]) { this.within += by; this.number += by; }
    else if (this.hits[this.at + by]) this.goTo(this.at + by, by < 0);
    else return this.stepOut(by);
    return this.hits[this.at];
  }

  stepOut(by) {
    if (by > 0 && this.isFull) { this.landing = "first"; this.open(this.following()); return null; }
    if (by < 0 && this.windows.length > 1) { this.goBack(); return null; }
    if (by < 0 && this.isFull) { this.landing = "end"; this.open(this.following()); return null; }
    if (by > 0 && this.windows.length > 1) {
      const [first] = this.windows;
      this.windows = [];
      this.landing = "first";
      this.open(first);
      return null;
    }
    this.goTo(by > 0 ? 0 : this.hits.length - 1, by < 0);
    return this.hits[this.at];
  }

  goTo(at, isFromBehind) {
    this.at = at;
    this.within = isFromBehind ? this.hits[at].ranges.length - 1 : 0;
    let before = 0;
    for (let index = 0; index < at; index += 1) before += this.hits[index].ranges.length;
    this.number = before + this.within;
  }

  get before() {
    return this.windows.at(-1)?.before ?? 0;
  }

  get words() {
    if (!this.query) return "";
    if (this.state === "refused" || this.state === "trouble") return this.sentence;
    const total = this.before + this.count;
    const [all, more] = [total.toLocaleString("en"), this.isFull ? "more than " : ""];
    if (this.state === "searching" && this.landing) return "looking on…";
    const place = this.at >= 0 ? `hit ${(this.before + this.number + 1).toLocaleString("en")} of ${more}${all}` : "";
    const found = place || `${more}${all} ${total === 1 ? "hit" : "hits"}`;
    if (this.state === "searching") return `${found} so far, up to line ${this.place.after.toLocaleString("en")}`;
    return total ? found : "not found";
  }

  // What "only these" leaves out, if anything.
  get limit() {
    const [first, last] = [this.hits[0], this.hits.at(-1)];
    if (!this.isFull && this.windows.length < 2) return "";
    const lines = `${first.line.toLocaleString("en")} to ${last.line.toLocaleString("en")}`;
    return `Of the lines found, those from ${lines} are here; Next and Previous lead on to the others.`;
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
