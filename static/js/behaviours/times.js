// Keeps every <time data-age> and <time data-left> counting between two answers of the server.

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

function show(time) {
  const moment = Date.parse(time.dateTime);
  if (Number.isNaN(moment)) return;
  const isLeft = time.hasAttribute("data-left");
  const seconds = (isLeft ? moment - Date.now() : Date.now() - moment) / 1000;
  const words = isLeft && seconds <= 0 ? "now" : span(seconds);
  if (time.textContent !== words) time.textContent = words;
  if (isLeft) time.dataset.left = seconds < HOUR ? "soon" : seconds < DAY ? "near" : "";
}

function showAll() {
  if (!document.hidden) document.querySelectorAll("time[data-age], time[data-left]").forEach(show);
}

function localTitle(event) {
  const time = event.target.closest?.("time[datetime]");
  if (!time || time.dataset.local) return;
  const moment = new Date(time.dateTime);
  if (Number.isNaN(moment.getTime())) return;
  time.dataset.local = "1";
  time.title = `${moment.toLocaleString()} here, ${time.title}`;
}

export function startTimes() {
  setInterval(showAll, 1000);
  showAll();
  document.body.addEventListener("htmx:afterSettle", showAll);
  document.addEventListener("mouseover", localTitle);
  document.addEventListener("focusin", localTitle);
}
