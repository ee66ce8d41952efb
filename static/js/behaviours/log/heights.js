// How tall the rows of a long list are: most alike, some measured. Finds a row's top and the row at a height without
// looking at all of them.

const BLOCK = 512;

export class Heights {
  constructor(usual) {
    this.usual = usual;
    this.clear();
  }

  clear() {
    this.count = 0;
    this.extra = new Map();
    this.blocks = [];
    this.before = null;
  }

  resize(count) {
    this.count = count;
    while (this.blocks.length <= count / BLOCK) { this.blocks.push(0); this.before = null; }
  }

  // Says how tall a row is; answers whether that is news.
  set(index, height) {
    const extra = height - this.usual;
    const known = this.extra.get(index) ?? 0;
    if (Math.abs(extra - known) < 0.5) return false;
    if (extra) this.extra.set(index, extra);
    else this.extra.delete(index);
    this.blocks[Math.floor(index / BLOCK)] += extra - known;
    this.before = null;
    return true;
  }

  isOther(index) {
    return this.extra.has(index);
  }

  get total() {
    return this.top(this.count);
  }

  top(index) {
    const block = Math.floor(index / BLOCK);
    let top = index * this.usual + this.extraBefore(block);
    if (this.blocks[block]) {
      for (let row = block * BLOCK; row < index; row += 1) top += this.extra.get(row) ?? 0;
    }
    return top;
  }

  // The row that covers a height, counted from the top of the list.
  at(height) {
    let low = 0;
    let high = this.blocks.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (middle * BLOCK * this.usual + this.extraBefore(middle) <= height) low = middle;
      else high = middle - 1;
    }
    let row = low * BLOCK;
    let top = row * this.usual + this.extraBefore(low);
    if (!this.blocks[low]) return this.within(row + Math.floor((height - top) / this.usual));
    while (row < this.count - 1) {
      top += this.usual + (this.extra.get(row) ?? 0);
      if (top > height) break;
      row += 1;
    }
    return this.within(row);
  }

  within(row) {
    return Math.max(0, Math.min(this.count - 1, row));
  }

  extraBefore(block) {
    if (!this.before) {
      let sum = 0;
      this.before = this.blocks.map((extra) => { const here = sum; sum += extra; return here; });
    }
    return this.before[block] ?? 0;
  }
}
