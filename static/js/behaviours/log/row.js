// Draws one row of a log. Text enters the page as text nodes only.

import { exact } from "../times.js";
import { links, spans } from "./ansi.js";
import { level } from "./levels.js";

// `look` is { chosen, hits, behind, now, failed }: whether the line is chosen, the stretches of the visible text that were
// found, those of them that are not here, which is the present one, and whether what is absent could not be loaded.
export function lineRow(row, look) {
  const element = make("div", "log__line");
  element.dataset.line = row.line;
  if (row.partial) element.classList.add("log__line--partial");
  if (look.chosen) element.classList.add("log__line--chosen");
  element.append(number(row), moment(row.second));
  if (row.text === undefined) {
    element.classList.add("log__line--absent");
    element.append(make("span", "log__text", look.failed ? "This line could not be loaded; it is tried again." : "…"));
    return element;
  }
  const [text, visible] = textOf(row, look.hits ?? [], look.hits?.[look.now]);
  const guessed = level(visible);
  if (guessed) element.dataset.level = guessed;
  element.append(text);
  if (row.length) element.append(more(row.length - row.text.length));
  if (look.behind?.length) element.append(excerpt(look.behind, look.now));
  return element;
}

// What was found behind the shown beginning of a long line: the present hit, else the first.
function excerpt(behind, now) {
  const present = behind.findIndex(([which]) => which === now);
  const [, character, before, found, after] = behind[Math.max(0, present)];
  const [place, hit] = [make("span", "log__where"), make("mark", "log__hit", found)];
  hit.classList.toggle("log__hit--now", present >= 0);
  const which = behind.length > 1 ? `Hit ${Math.max(0, present) + 1} of ${behind.length}` : "A hit";
  place.dataset.where = `${which} behind what is shown, at character ${character.toLocaleString("en")}:`;
  const text = make("span", "log__excerpt");
  text.append(place, before, hit, after);
  return wrap(make("span", "log__behind"), text);
}

// Drawn by the style sheet, as the number is.
function more(count) {
  const element = make("span", "log__more");
  element.dataset.more = `… ${count.toLocaleString("en")} more characters: download or copy the line`;
  return element;
}

export function noteRow(row) {
  return make("div", `log__note ${row.kind ? `log__note--${row.kind}` : ""}`, row.note);
}

// The number is drawn by the style sheet, so that it is not copied with the text.
function number(row) {
  const link = make("a", "log__number");
  link.href = `#${address(row.epoch, row.line, row.line)}`;
  link.dataset.number = row.line;
  link.tabIndex = -1;
  link.setAttribute("aria-hidden", "true");
  return link;
}

function moment(second) {
  const element = make("span", "log__moment");
  if (second === null) return element;
  const date = new Date(second * 1000);
  element.dataset.moment = date.toLocaleTimeString("en-GB");
  element.title = `Arrived ${exact(date)}: when the portal first saw the line`;
  return element;
}

function textOf(row, hits, now) {
  const holder = make("span", "log__text");
  const looks = spans(row.text, row.look);
  const visible = looks.map((span) => span.text).join("");
  const addresses = links(visible);
  const edges = new Set([...hits.flat(), ...addresses.flat()]);
  let at = 0;
  for (const span of looks) {
    const end = at + span.text.length;
    const cuts = [at, ...[...edges].filter((edge) => edge > at && edge < end).sort((a, b) => a - b), end];
    for (let index = 0; index + 1 < cuts.length; index += 1) {
      const [from, to] = [cuts[index], cuts[index + 1]];
      holder.append(piece(visible.slice(from, to), span.classes, covering(addresses, from), covering(hits, from), visible, now));
    }
    at = end;
  }
  return [holder, visible];
}

function piece(text, classes, link, hit, visible, now) {
  let node = document.createTextNode(text);
  if (classes) node = wrap(make("span", classes), node);
  if (hit) node = wrap(make("mark", hit === now ? "log__hit log__hit--now" : "log__hit"), node);
  if (!link) return node;
  const anchor = make("a", "log__link");
  anchor.href = visible.slice(...link);
  anchor.target = "_blank";
  anchor.rel = "noopener noreferrer";
  anchor.tabIndex = -1;
  return wrap(anchor, node);
}

function covering(stretches, at) {
  return stretches.find(([from, to]) => from <= at && at < to);
}

function wrap(outer, inner) {
  outer.append(inner);
  return outer;
}

export function make(tag, name, text = "") {
  const element = document.createElement(tag);
  element.className = name;
  if (text) element.textContent = text;
  return element;
}

// Permanent addresses: #L120.<epoch> and #L120-L140.<epoch>; without an epoch the newest is meant.

export function address(epoch, from, to) {
  return `L${from}${to > from ? `-L${to}` : ""}.${epoch.toString(36)}`;
}

export function placeIn(hash) {
  const found = /^#L(\d{1,15})(?:-L(\d{1,15}))?(?:\.([0-9a-z]{1,12}))?$/.exec(hash);
  if (!found) return null;
  const [from, to] = [Number(found[1]), Number(found[2] ?? found[1])];
  return { from: Math.min(from, to), to: Math.max(from, to), epoch: found[3] ? parseInt(found[3], 36) : null };
}
