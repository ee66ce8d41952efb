// Reads the escape sequences of a line: colours and attributes become classes, nothing else has an effect.
//
// What a person sees of a line is the same here and in sessions_app/live/escapes.py, where it is searched; both are
// held against tests/live/escapes.json. A sequence holds no control character, apart from those that begin and end it:
// as in a terminal, one aborts it. So no two sequences overlap, however many begin, and every look-ahead is linear.

// Longer ones are not hidden: text that ends up behind the beginning of a sequence by chance is shown.
const STRING = "[^\\x07\\x18\\x1a\\x1b\\x80-\\x9f]{0,4096}(?:\\x07|\\x1b\\\\|\\x9c)";
const PARAMETERS = "[0-?]{0,128}";
const BETWEEN = "[ -/]{0,4}";
// CSI; OSC, DCS, SOS, PM and APC; then what is an escape, or an escape and some between, and one more. The flag `u`
// makes the bounds count characters, as they do in Python.
const SEQUENCE = new RegExp(
  `(?:\\x1b\\[|\\x9b)${PARAMETERS}${BETWEEN}[@-~]` +
  `|(?:\\x1b[PX\\]^_]|[\\x90\\x98\\x9d-\\x9f])${STRING}` +
  `|\\x1b(?:[0-OQ-WYZ\\\\\`-~]|[ -/]{1,4}[0-~])`,
  "gu",
);
// Colours; and the soft and the full reset, which have no parameters and end every look as well.
const SGR = /(?:\x1b\[|\x9b)(?:([\d;:]{0,128})m|!p)|\x1bc/g;
// Controls, and what turns the direction of writing. A tab stays a tab.
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
// The symbol of each control, and of any other character below the last of them itself.
const SYMBOLS = Uint16Array.from({ length: 0x206a }, (_, code) => (CONTROL.test(String.fromCharCode(code)) ? symbol(code) : code));
// A longer text is gone through in pieces of about this size, which bounds what its sequences take meanwhile.
const BLOCK = 65_536;
// How many characters become symbols at once.
const STEP = 8192;
// The looks of a line are read from so many sequences, more than a line of the portal holds in earnest; behind them the
// text is plain.
const MOST_LOOKS = 4096;

// What was to be hidden is shown and marked: who reads or searches a log must see all of it, and so must who copies it.
const ATTRIBUTES = ["bold", "dim", "italic", "underline", "strike", "inverse", "hidden"];
const ON = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 8: "hidden", 9: "strike", 21: "underline" };
const OFF = {
  22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 28: ["hidden"], 29: ["strike"], 39: ["fg"], 49: ["bg"],
};
const COLOURS = { 30: ["fg", 0], 40: ["bg", 0], 90: ["fg", 8], 100: ["bg", 8] };
// 58 is the colour of the underline: its parameters are stepped over.
const EXTENDED = { 38: "fg", 48: "bg", 58: "" };
const SLOTS = [...ATTRIBUTES, "fg", "bg"];

// What may stand in an address of the web; quotes may as well, but far more often they stand around it. With its scheme,
// one that reaches the bound is longer than a link may be: the engine's stack does not hold ten million characters.
const CANDIDATE = /(?<![\p{L}\p{N}_+])https?:\/\/(?:(?!,https?:\/\/)[\p{L}\p{N}\p{M}\-._~:/?#[\]@!$&()*+,;=%]){1,2048}/gu;
// A host that is what it looks like: no letters that resemble others, no "name@" in front.
const HOST = /^https?:\/\/(?:[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?|\[[\da-f:.]{2,45}\])(?::\d{1,5})?(?![^/?#])/;
const LONGEST_LINK = 2048;
const OPENERS = { ")": "(", "]": "[" };
const BEHIND = ".,;:!?*";

// Every class that `spans` can give.
export const CLASSES = [
  ...ATTRIBUTES.map((name) => `ansi-${name}`),
  ...["fg", "bg"].flatMap((slot) => Array.from({ length: 16 }, (_, colour) => `ansi-${slot}-${colour}`)),
];

// Returns the runs of equal look, as {text, classes}; their texts joined are `visible(text)`. `begun` is how a line looks
// where it begins, as the portal says it: parameters of the same kind, or an empty text.
export function spans(text, begun = "") {
  const runs = [];
  const look = {};
  if (begun) change(look, begun);
  let [classes, at, left] = [classesOf(look), 0, MOST_LOOKS];
  // Cutting the text at these changes nothing of what is seen: no other sequence holds one.
  for (const found of text.matchAll(SGR)) {
    change(look, found[1] ?? "");
    left -= 1;
    const next = left ? classesOf(look) : "";
    if (next !== classes) {
      add(runs, text.slice(at, found.index), classes);
      [classes, at] = [next, found.index];
    }
    if (!left) break;
  }
  add(runs, text.slice(at), classes);
  return runs;
}

// Returns what a person sees of a line: sequences are left out, other controls and turns of direction become symbols.
export function visible(text) {
  if (!CONTROL.test(text)) return text;
  return text.length <= BLOCK ? shown(text) : Array.from(pieces(text), shown).join("");
}

function shown(piece) {
  const rest = piece.replace(SEQUENCE, "");
  return CONTROL.test(rest) ? withSymbols(rest) : rest;
}

// Cuts a text where sequences begin, or end by `ESC \`: that is never inside of one.
function* pieces(text) {
  const beginning = /[\x1b\x90\x98\x9b\x9d-\x9f]/g;
  let at = 0;
  for (beginning.lastIndex = BLOCK; beginning.test(text); beginning.lastIndex = at + BLOCK) {
    const found = beginning.lastIndex - 1;
    const cut = text.startsWith("\x1b\\", found) ? found + 2 : found;
    yield text.slice(at, cut);
    at = cut;
  }
  yield text.slice(at);
}

function withSymbols(text) {
  const parts = [];
  for (let at = 0; at < text.length; at += STEP) {
    const codes = new Uint16Array(Math.min(STEP, text.length - at));
    for (let place = 0; place < codes.length; place += 1) {
      const code = text.charCodeAt(at + place);
      codes[place] = SYMBOLS[code] ?? code;
    }
    parts.push(String.fromCharCode.apply(null, codes));
  }
  return parts.join("");
}

function symbol(code) {
  if (code < 0x20) return 0x2400 + code;
  return code === 0x7f ? 0x2421 : 0x2426;
}

function add(runs, text, classes) {
  const seen = visible(text);
  if (!seen) return;
  const last = runs.at(-1);
  if (last?.classes === classes) last.text += seen;
  else runs.push({ text: seen, classes });
}

// Returns where addresses of the web stand in `visible(text)`, as [start, end].
export function links(text) {
  const found = [];
  for (const { 0: candidate, index } of visible(text).matchAll(CANDIDATE)) {
    if (candidate.length > LONGEST_LINK) continue;
    const address = bounded(candidate);
    if (HOST.test(address)) found.push([index, index + address.length]);
  }
  return found;
}

// Leaves out what belongs to the sentence around: a bracket without its partner and what follows it, and punctuation.
function bounded(candidate) {
  let end = partnered(candidate);
  while (BEHIND.includes(candidate[end - 1])) end -= 1;
  return candidate.slice(0, end);
}

function partnered(text) {
  const open = [];
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === "(" || text[at] === "[") open.push(at);
    else if (text[at] in OPENERS && text[open.pop()] !== OPENERS[text[at]]) return at;
  }
  return open[0] ?? text.length;
}

// The looks of a line.

function classesOf(look) {
  return SLOTS.filter((slot) => look[slot]).map((slot) => look[slot]).join(" ");
}

function set(look, slot, value) {
  look[slot] = `ansi-${value}`;
}

function change(look, parameters) {
  const list = parameters.split(";");
  for (let at = 0; at < list.length; at += 1) {
    const parts = list[at].split(":").map(Number);
    const slot = EXTENDED[parts[0]];
    if (parts.length > 1) changeByParts(look, slot, parts);
    else if (slot !== undefined) at += changeByFollowing(look, slot, list.slice(at + 1, at + 5).map(Number));
    else changeByOne(look, parts[0]);
  }
}

function changeByOne(look, code) {
  const colours = COLOURS[code - (code % 10)];
  if (code === 0) for (const slot of SLOTS) delete look[slot];
  else if (ON[code]) set(look, ON[code], ON[code]);
  else if (OFF[code]) for (const slot of OFF[code]) delete look[slot];
  else if (colours && code % 10 < 8) set(look, colours[0], `${colours[0]}-${colours[1] + (code % 10)}`);
}

// 4:0 to 4:5, 38:5:n, 38:2:r:g:b and 38:2:space:r:g:b.
function changeByParts(look, slot, parts) {
  const [code, kind, ...values] = parts;
  if (code === 4) changeByOne(look, kind ? 4 : 24);
  else if (kind === 5) paint(look, slot, indexed(values[0]));
  else if (kind === 2) paint(look, slot, mixed(values.length > 3 ? values.slice(1, 4) : values));
}

// 38;5;n and 38;2;r;g;b. Returns how many parameters they took.
function changeByFollowing(look, slot, [kind, ...values]) {
  if (kind === 5) paint(look, slot, indexed(values[0]));
  else if (kind === 2) paint(look, slot, mixed(values.slice(0, 3)));
  return { 2: 4, 5: 2 }[kind] ?? 0;
}

function paint(look, slot, colour) {
  if (slot && colour !== undefined) set(look, slot, `${slot}-${colour}`);
}

// Any colour becomes one of the sixteen: theirs are known to be readable, light and dark, a program's own are not.

// One of 256: the sixteen, a cube of 6 x 6 x 6, and 24 greys.
function indexed(number) {
  if (!(number <= 255)) return undefined;
  if (number < 16) return number;
  if (number >= 232) return mixed(Array(3).fill(8 + 10 * (number - 232)));
  const side = (step) => (step ? 55 + 40 * step : 0);
  const place = number - 16;
  return mixed([side(Math.floor(place / 36)), side(Math.floor(place / 6) % 6), side(place % 6)]);
}

// Hue before lightness, which the page decides itself: what was some red stays red. Grey is what has little of a hue.
function mixed(rgb) {
  if (rgb.length !== 3 || !rgb.every((value) => value <= 255)) return undefined;
  const [most, least] = [Math.max(...rgb), Math.min(...rgb)];
  if (4 * (most - least) < most || most < 32) return grey(most);
  const [red, green, blue] = rgb.map((value) => Number(2 * value > most + least));
  return red + 2 * green + 4 * blue + (most > 223 ? 8 : 0);
}

function grey(lightness) {
  return [0, 8, 7, 15][[64, 160, 223].filter((limit) => lightness > limit).length];
}
