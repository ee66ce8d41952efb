// Binds behaviours to the elements that name them, now and after every swap, and lets go when an element leaves.
//
// An element says data-behaviour="one two"; each is the module behaviours/<name>.js with an `attach(element)` that
// returns its `detach`.

import { startTimes } from "./behaviours/times.js";
import { startDialog, startMenus } from "./behaviours/dialog.js";

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
    if (!module) { letGo(element); return; }
    const detach = module.attach(element);
    if (detach) detachers.push(detach);
  }
}

function bindAll(root) {
  return Promise.all(Array.from(root.querySelectorAll("[data-behaviour]"), bind));
}

function unbindLost() {
  for (const element of attached.keys()) if (!element.isConnected) letGo(element);
}

function letGo(element) {
  const detachers = attached.get(element);
  attached.delete(element);
  detachers.forEach((detach) => detach());
}

function focusWanted() {
  document.querySelector("[data-focus]")?.focus();
}

// What the portal itself could not do is said where it was asked for: in the dialog, else below the page.
const TROUBLE = {
  0: "The portal does not answer, and what you see may be old. Try again in a moment.",
  401: "You are signed out, and nothing that you typed is lost. Sign in in another tab and go on here.",
  403: "This page is no longer valid, so nothing was done. Load it again and try once more.",
  404: "That is not there any more. Load the page again.",
  500: "The portal made a mistake and what you see may be old. Your sessions are untouched.",
};

function watchThePortal() {
  const lost = document.getElementById("lost");
  const dialog = document.getElementById("dialog");
  const body = document.getElementById("dialog-body");

  function isOfDialog({ target, elt }) {
    return target === body || body.contains(elt);
  }

  function trouble(event) {
    const status = event.detail.xhr?.status ?? 0;
    const words = TROUBLE[status] ?? TROUBLE[status >= 500 ? 500 : 404];
    if (isOfDialog(event.detail)) sayInDialog(words);
    else {
      lost.textContent = words;
      lost.hidden = false;
    }
  }

  function sayInDialog(words) {
    const isEmpty = !body.firstElementChild;
    if (isEmpty) body.replaceChildren(make("h2", "", "This cannot be shown now", { id: "dialog-title", tabIndex: -1 }));
    const note = body.querySelector("[data-trouble]") ?? make("p", "notice notice--failed");
    note.dataset.trouble = "";
    note.setAttribute("role", "alert");
    note.textContent = words;
    body.firstElementChild.after(note);
    if (isEmpty) body.append(closing());
    if (!dialog.open) dialog.showModal();
    if (isEmpty) body.querySelector("[data-close]").focus();
  }

  // An answer that is no dialog, as a gateway gives one, is not put into it either.
  function onlyDialogs(event) {
    const { xhr, target } = event.detail;
    const isDialog = (xhr.status < 400 || xhr.status === 422) && xhr.responseText.trim();
    if (target !== body || isDialog) return;
    event.detail.shouldSwap = false;
    event.detail.isError = true;
  }

  for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
    document.body.addEventListener(name, trouble);
  }
  document.body.addEventListener("htmx:beforeSwap", onlyDialogs);
  document.body.addEventListener("htmx:afterRequest", (event) => {
    const status = event.detail.xhr?.status;
    if (status && status < 400) lost.hidden = true;
  });
}

function closing() {
  const row = make("p", "confirm__buttons");
  const button = make("button", "button", "Close", { type: "button" });
  button.dataset.close = "";
  row.append(button);
  return row;
}

function make(tag, name, text = "", properties = {}) {
  const element = Object.assign(document.createElement(tag), properties);
  if (name) element.className = name;
  if (text) element.textContent = text;
  return element;
}

// A page that is older than its sign-in is handed the new secret of its forms, if it is still of the same person, and
// what was refused for the old one is asked once more.
function watchFormToken() {
  document.body.addEventListener("htmx:configRequest", (event) => {
    const { person } = document.body.dataset;
    if (person) event.detail.headers["X-Person"] = encodeURIComponent(person);
  });
  document.body.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (!detail.xhr.getResponseHeader("X-Form-Token") || detail.requestConfig.headers["X-Form-Again"]) return;
    detail.isError = false;
    detail.shouldSwap = false;
    import("./behaviours/form-token.js").then(({ askAgain }) => askAgain(detail));
  });
}

// Shows a chosen theme at once; htmx tells the portal, which remembers it for the pages to come.
function watchTheme() {
  document.addEventListener("click", (event) => {
    const choice = event.target.closest("[data-theme-choices] [name=theme]");
    if (!choice) return;
    const theme = choice.value;
    document.documentElement.dataset.theme = theme;
    document.querySelector('meta[name="color-scheme"]').content = theme === "auto" ? "light dark" : theme;
    for (const each of choice.form.querySelectorAll("[name=theme]")) {
      each.setAttribute("aria-pressed", String(each.value === theme));
    }
  });
}

// What few visits need is fetched when it is needed: each module is a request more.
function startOnDemand() {
  if (document.querySelector("[data-way-back], [data-behaviour~=log-view]")) {
    import("./behaviours/way-back.js").then(({ startWayBack }) => startWayBack());
  }
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

// Whoever drives the page can tell from this that all of it listens.
bindAll(document).then(() => { document.documentElement.dataset.bound = ""; });
focusWanted();
startTimes();
startDialog();
startMenus();
watchThePortal();
watchFormToken();
watchTheme();
startOnDemand();
watchKeys();
document.body.addEventListener("htmx:afterSettle", () => { unbindLost(); bindAll(document); });
document.body.addEventListener("htmx:afterSwap", (event) => {
  unbindLost();
  bindAll(document);
  const title = event.detail.elt?.dataset?.title;
  if (title) document.title = `${title} · canfarweb`;
});
