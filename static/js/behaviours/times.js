// Keeps every <time data-age> and <time data-left> counting between two answers of the server, by the server's clock.

import { exact, local, now } from "./clock.js";

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
  setInterval(showAll, 1000);
  showAll();
  document.body.addEventListener("htmx:afterSettle", showAll);
  document.addEventListener("visibilitychange", showAll);
  document.addEventListener("mouseover", exactTitle);
  document.addEventListener("focusin", exactTitle);
}
