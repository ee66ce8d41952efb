// Binds behaviours to the elements that name them, now and after every swap, and lets go when an element leaves.
//
// An element says data-behaviour="one two"; each is the module behaviours/<name>.js with an `attach(element)` that
// returns its `detach`.

import { startTimes } from "./behaviours/times.js";
import { startDialog } from "./behaviours/dialog.js";
import { startWayBack } from "./behaviours/way-back.js";

const modules = {
  refresh: () => import("./behaviours/refresh.js"),
  hold: () => import("./behaviours/hold.js"),
  selection: () => import("./behaviours/selection.js"),
  launch: () => import("./behaviours/launch.js"),
  "log-view": () => import("./behaviours/log-view.js"),
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
    const { attach } = await load();
    if (!attached.has(element)) return;
    const detach = attach(element);
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

const TROUBLE = {
  0: "The portal does not answer. What you see may be old; it is being asked again.",
  403: "This page is no longer valid, so nothing was done. Load it again and try once more.",
  404: "That is not there any more. Load the page again.",
  500: "The portal made a mistake and what you see may be old. Your sessions are untouched.",
};

// What the portal itself could not do is said where it was asked for: in the open dialog, else below the page.
function watchThePortal() {
  const lost = document.getElementById("lost");

  function trouble(event) {
    const status = event.detail.xhr?.status ?? 0;
    const words = TROUBLE[status] ?? TROUBLE[status >= 500 ? 500 : 404];
    const body = document.getElementById("dialog-body");
    if (event.detail.target !== body && !body.contains(event.detail.elt)) {
      lost.textContent = words;
      lost.hidden = false;
      return;
    }
    const note = body.querySelector("[data-trouble]") ?? document.createElement("p");
    note.className = "notice notice--failed";
    note.dataset.trouble = "";
    note.setAttribute("role", "alert");
    note.textContent = words;
    body.prepend(note);
    const dialog = document.getElementById("dialog");
    if (!dialog.open) dialog.showModal();
  }

  for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
    document.body.addEventListener(name, trouble);
  }
  document.body.addEventListener("htmx:afterRequest", (event) => {
    const status = event.detail.xhr?.status;
    if (status && status < 400) lost.hidden = true;
  });
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
startTimes();
startDialog();
startWayBack();
watchThePortal();
watchKeys();
document.body.addEventListener("htmx:afterSettle", () => { unbindLost(); bindAll(document); });
document.body.addEventListener("htmx:afterSwap", (event) => {
  unbindLost();
  bindAll(document);
  const title = event.detail.elt?.dataset?.title;
  if (title) document.title = `${title} · canfarweb`;
});
