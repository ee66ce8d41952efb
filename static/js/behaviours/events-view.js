// Shows a session's timeline as it grows, and tells the page when the session's state changes.
//
// Rows are known by their id and changed in place, so that what has the focus, is open or is looked at stays so.

import { follow } from "./live.js";
import { poll } from "./polling.js";
import { exact, show as showTime } from "./times.js";

const CONNECTION = {
  connecting: "connecting",
  lost: "reconnecting",
  "signed-out": "you are signed out",
  many: "waiting: too many tabs are open",
};

const WARNINGS = "canfar.timeline.warnings";
// Whoever is this close to the newest row, in pixels, goes on with it.
const AT_THE_END = 24;

export function attach(element) {
  const list = element.querySelector("[data-events-list]");
  const empty = element.querySelector("[data-events-empty]");
  const status = element.querySelector("[data-events-status]");
  const warnings = element.querySelector("[data-events-warnings]");
  let known = element.dataset.state;
  let reason = null;
  let said = { state: "live", text: "" };
  let connected = "connecting";
  let isFirst = true;

  function say() {
    const words = connected === "open" ? said.text || said.state : overHttp() || CONNECTION[connected];
    if (status.textContent !== words) status.textContent = words;
  }

  // Whoever asks over HTTP hears the same; that it is so is said where there is nothing else to say.
  function overHttp() {
    if (connected !== "polling") return "";
    return said.text || (said.state === "live" ? "polling" : said.state);
  }

  function show(rows) {
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight <= AT_THE_END;
    const present = new Map([...list.children].map((item) => [item.dataset.id, item]));
    const wanted = rows.map((row) => filled(present.get(row.id) ?? blank(row), row));
    const kept = new Set(wanted);
    for (const item of [...list.children]) if (!kept.has(item)) item.remove();
    arrange(list, wanted);
    if (isAtEnd) list.scrollTop = list.scrollHeight;
    if (!isFirst) document.dispatchEvent(new CustomEvent("canfar:events", { detail: { slug: element.dataset.slug } }));
    isFirst = false;
    sayIfEmpty();
  }

  function sayIfEmpty() {
    const shown = onlyWarnings() ? list.querySelectorAll(".events__row--warning").length : list.children.length;
    empty.hidden = shown > 0;
    empty.textContent = list.children.length ? "No warnings." : "Nothing has happened yet.";
  }

  const onlyWarnings = () => warnings.getAttribute("aria-pressed") === "true";

  function narrow(isOn) {
    warnings.setAttribute("aria-pressed", String(isOn));
    list.classList.toggle("events__list--warnings", isOn);
    sayIfEmpty();
  }

  function onWarnings() {
    narrow(!onlyWarnings());
    try { localStorage.setItem(WARNINGS, onlyWarnings() ? "1" : ""); } catch { /* Not remembered, then. */ }
  }

  // The page was made with a state of its own; only what differs from it is news.
  function learn(message) {
    const changed = message.state !== known || (reason !== null && message.reason !== reason);
    known = message.state;
    reason = message.reason;
    if (!changed) return;
    const detail = { slug: message.s, state: message.state, reason: message.reason };
    document.dispatchEvent(new CustomEvent("canfar:session", { detail }));
  }

  warnings.hidden = false;
  warnings.addEventListener("click", onWarnings);
  narrow(remembered());
  // The newest is seen first; from then on whoever reads elsewhere is left there.
  list.scrollTop = list.scrollHeight;

  const topic = follow(element.dataset.slug, "events", {
    place: () => ({}),
    poll,
    connection: (state) => { connected = state; say(); },
    take(message) {
      if (message.t === "events") { show(message.rows); topic.drawn(message.n); }
      else if (message.t === "session") learn(message);
      else if (message.t === "state") { said = message; say(); }
      else if (message.t === "denied") { said = { state: "trouble", text: "no events" }; say(); }
    },
  });
  return () => {
    warnings.removeEventListener("click", onWarnings);
    topic.leave();
  };
}

function remembered() {
  try { return localStorage.getItem(WARNINGS) === "1"; } catch { return false; }
}

// Puts the rows into their order and moves no more than has to; never the one that has the focus.
export function arrange(list, wanted) {
  const held = wanted.find((item) => item.contains(document.activeElement));
  let next = list.firstElementChild;
  for (const item of wanted) {
    if (item === held) {
      while (next && next !== held) {
        const out = next;
        next = next.nextElementSibling;
        list.append(out);
      }
    }
    if (item === next) next = next.nextElementSibling;
    else list.insertBefore(item, next);
  }
}

function blank(row) {
  const item = make("li", "events__row");
  item.dataset.id = row.id;
  item.dataset.source = row.source;
  const details = make("details", "events__details");
  const head = make("summary", "events__head");
  const says = make("span", "events__says");
  says.append(part("span", "says"), " ", part("span", "count", "events__count"));
  head.append(says, " ", part("span", "when", "events__when"));
  details.append(head, part("p", "raw", "events__raw"), part("p", "times", "events__times"));
  item.append(details);
  return item;
}

function filled(item, row) {
  const isWarning = row.type === "Warning";
  if (row.fold) item.dataset.fold = row.fold;
  else delete item.dataset.fold;
  item.classList.toggle("events__row--warning", isWarning);
  const mark = item.querySelector(".events__warning");
  if (isWarning && !mark) item.querySelector(".events__says").prepend(make("span", "events__warning", "Warning"), " ");
  else if (!isWarning) mark?.remove();
  write(item, "says", row.says || row.message || row.reason);
  write(item, "count", row.count > 1 ? `${row.count} times` : "");
  write(item, "raw", row.message ? `${row.reason}: ${row.message}` : row.reason);
  write(item, "times", times(row));
  when(item.querySelector('[data-part="when"]'), row.last ?? row.first);
  return item;
}

function write(item, name, words) {
  const place = item.querySelector(`[data-part="${name}"]`);
  if (place.textContent !== words) place.textContent = words;
}

function when(place, moment) {
  if (!moment) { place.replaceChildren(); return; }
  let time = place.querySelector("time[data-age]");
  if (!time) {
    time = make("time");
    // times.js keeps it counting.
    time.dataset.age = "";
    place.replaceChildren(time, " ago");
  }
  if (time.dateTime === moment) return;
  time.dateTime = moment;
  time.title = exact(moment);
  time.dataset.exact = time.title;
  showTime(time);
}

function times(row) {
  const last = row.last ?? row.first;
  if (!last) return "The platform told no time.";
  const began = row.first && row.first !== last ? `From ${exact(row.first)}, to ` : "";
  return `${began}${exact(last)}`;
}

function part(tag, name, style = "") {
  const element = make(tag, style);
  element.dataset.part = name;
  return element;
}

function make(tag, name = "", text = "") {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text) element.textContent = text;
  return element;
}
