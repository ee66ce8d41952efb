// Binds behaviours to the elements that name them, now and after every swap, and lets go when an element leaves.
//
// An element says data-behaviour="one two"; each is the module behaviours/<name>.js with an `attach(element)` that
// returns its `detach`.

import { startClock } from "./behaviours/clock.js";
import { startMenus } from "./behaviours/menu.js";
import { startTheme } from "./behaviours/theme.js";
import { startTimes } from "./behaviours/times.js";
import { startDialog } from "./behaviours/dialog.js";
import { startTrouble } from "./behaviours/trouble.js";
import { startWayBack } from "./behaviours/way-back.js";

const modules = {
  refresh: () => import("./behaviours/refresh.js"),
  hold: () => import("./behaviours/hold.js"),
  selection: () => import("./behaviours/selection.js"),
  launch: () => import("./behaviours/launch.js"),
  "log-view": () => import("./behaviours/log-view.js"),
  panes: () => import("./behaviours/panes.js"),
  "events-view": () => import("./behaviours/events-view.js"),
  waiting: () => import("./behaviours/waiting.js"),
};

const attached = new Map();

async function bind(element) {
  if (attached.has(element)) return;
  const detachers = [];
  attached.set(element, detachers);
  for (const name of element.dataset.behaviour.split(/\s+/)) {
    const load = modules[name];
    if (!load) continue;
    const module = await load().catch(() => null);
    if (!attached.has(element)) return;
    // The page is being left, or the network was away for a moment: the next swap tries again.
    if (!module) { attached.delete(element); return; }
    const detach = module.attach(element);
    if (detach) detachers.push(detach);
  }
}

function bindAll(root) {
  for (const element of root.querySelectorAll("[data-behaviour]")) bind(element);
}

function unbindLost() {
  for (const [element, detachers] of attached) {
    if (element.isConnected) continue;
    attached.delete(element);
    detachers.forEach((detach) => detach());
  }
}

function focusWanted() {
  document.querySelector("[data-focus]")?.focus();
}

function watchKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, dialog")) return;
    const field = document.querySelector('[data-focus-key="/"]');
    if (!field) return;
    event.preventDefault();
    field.focus();
  });
}

bindAll(document);
focusWanted();
startClock();
startTimes();
startDialog();
startWayBack();
startTrouble();
startTheme();
startMenus();
watchKeys();
document.body.addEventListener("htmx:afterSettle", () => { unbindLost(); bindAll(document); });
document.body.addEventListener("htmx:afterSwap", (event) => {
  unbindLost();
  bindAll(document);
  const title = event.detail.elt?.dataset?.title;
  if (title) document.title = `${title} · canfarweb`;
});
