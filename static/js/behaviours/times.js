// Keeps every <time data-age>, <time data-left> and <time data-at> right between two answers of the server.
//
// There is one clock, the server's: whatever the browser's own is set to, ages and times left are told by that one.
// Every answer of the portal says when it was given (X-Server-Time, and a <meta> of the page). Given after it was asked
// for and before it arrived, it bounds how far the server's time is from the browser's steady clock.

const HEADER = "X-Server-Time";
// The steady clock may stand still while a machine sleeps; the two going apart by so much tells of it.
const APART = 1_500;

const asked = new WeakMap();
let offset = NaN;
let wall = apart();
let isAsking = false;

function apart() {
  return Date.now() - performance.now();
}

// Milliseconds since 1970, by the server's clock.
function now() {
  return performance.now() + (Number.isNaN(offset) ? wall : offset);
}

// "2026-11-25 14:03" where the browser is, with seconds if asked for.
function local(moment, seconds = false) {
  const date = new Date(moment);
  const shifted = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return iso(shifted, seconds);
}

function utc(moment) {
  return `${iso(new Date(moment), true)} UTC`;
}

// What a pointer resting on a time is told.
export function exact(moment) {
  return new Date(moment).getTimezoneOffset() === 0 ? utc(moment) : `${local(moment, true)} here, ${utc(moment)}`;
}

function iso(date, seconds) {
  return date.toISOString().slice(0, seconds ? 19 : 16).replace("T", " ");
}

function reading() {
  return { steady: performance.now(), wall: apart() };
}

// The server's clock showed `time` at some moment between these two of the steady clock. If the clocks went apart
// between the two, as when the machine slept over a request, nobody knows when that was: the next look asks.
function hear(time, sent, received = reading()) {
  if (!Number.isFinite(time) || Math.abs(received.wall - sent.wall) >= APART) return;
  const [least, most] = [time - received.steady, time - sent.steady];
  offset = Number.isNaN(offset) ? least : Math.min(Math.max(offset, least), most);
  wall = received.wall;
}

function startClock() {
  const meta = document.querySelector('meta[name="server-time"]');
  const [visit] = performance.getEntriesByType("navigation");
  if (meta) {
    const [sent, received] = [visit?.requestStart ?? 0, visit?.responseStart || performance.now()];
    hear(Number(meta.content), { steady: sent, wall }, { steady: received, wall });
  }
  document.body.addEventListener("htmx:beforeSend", (event) => asked.set(event.detail.xhr, reading()));
  document.body.addEventListener("htmx:beforeOnLoad", ({ detail: { xhr } }) => {
    const time = xhr.getResponseHeader(HEADER);
    if (time && asked.has(xhr)) hear(Number(time), asked.get(xhr));
  });
  setInterval(look, 1_000);
  document.addEventListener("visibilitychange", look);
  window.addEventListener("pageshow", look);
}

// After a sleep the steady clock may be behind: ask what time it is.
async function look() {
  if (document.hidden || isAsking) return;
  if (Math.abs(apart() - wall) < APART) return;
  isAsking = true;
  try {
    const sent = reading();
    const answer = await fetch("/healthz", { method: "HEAD", cache: "no-store" });
    hear(Number(answer.headers.get(HEADER) ?? NaN), sent);
  } catch { /* The portal is away; the next look asks again. */ }
  isAsking = false;
}

const STEPS = [[86400, "d"], [3600, "h"], [60, "min"]];
const DAY = 86400;
const HOUR = 3600;

export function span(seconds) {
  let left = Math.max(0, Math.floor(seconds));
  if (left < 60) return `${left} s`;
  const words = [];
  for (const [size, unit] of STEPS) {
    const count = Math.floor(left / size);
    left %= size;
    if (count || words.length) words.push(`${count} ${unit}`);
    if (words.length === 2) break;
  }
  return words.filter((word, place) => place === 0 || !word.startsWith("0 ")).join(" ");
}

export function show(time) {
  const moment = Date.parse(time.dateTime);
  if (Number.isNaN(moment)) return;
  if (time.hasAttribute("data-at")) { write(time, local(moment)); return; }
  const isLeft = time.hasAttribute("data-left");
  const seconds = (isLeft ? moment - now() : now() - moment) / 1000;
  write(time, isLeft && seconds <= 0 ? "now" : span(seconds));
  if (isLeft) time.dataset.left = seconds < HOUR ? "soon" : seconds < DAY ? "near" : "";
}

function write(time, words) {
  if (time.textContent !== words) time.textContent = words;
}

function showAll() {
  if (!document.hidden) document.querySelectorAll("time[data-age], time[data-left], time[data-at]").forEach(show);
}

function exactTitle(event) {
  const time = event.target.closest?.("time[datetime]");
  const moment = Date.parse(time?.dateTime);
  if (!Number.isNaN(moment)) time.title = exact(moment);
}

export function startTimes() {
  startClock();
  setInterval(showAll, 1000);
  showAll();
  document.body.addEventListener("htmx:afterSettle", showAll);
  document.addEventListener("visibilitychange", showAll);
  document.addEventListener("mouseover", exactTitle);
  document.addEventListener("focusin", exactTitle);
}
