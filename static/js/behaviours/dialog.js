// Opens what a [data-dialog] link or button leads to in the page's one dialog, does at once what a [data-act] link
// asks for, keeps the short notices of what was done, and closes menus. Without scripts the same addresses are pages.

// Seconds that a notice of something done stays; one of a failure stays until it is closed.
const SHOWN = 12;
// Servers and what stands before them take addresses of 8 KiB at least.
const LONGEST = 6000;

export function startDialog() {
  const dialog = document.getElementById("dialog");
  const body = document.getElementById("dialog-body");
  let opener = null;

  function address(trigger) {
    if (trigger.tagName === "A") return trigger.href;
    const form = trigger.form;
    const chosen = new URLSearchParams(new FormData(form));
    if (!chosen.has("s") && !chosen.has("g")) return null;
    return `${trigger.formAction}?${chosen}`;
  }

  function isPlain(event, selector) {
    const trigger = event.target.closest(selector);
    return trigger && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.button ? trigger : null;
  }

  function open(event) {
    const trigger = isPlain(event, "[data-dialog]");
    if (!trigger) return;
    event.preventDefault();
    const where = address(trigger);
    if (!where) return;
    opener = { id: trigger.closest("[id]")?.id, text: trigger.textContent };
    // What went wrong is said by app.js.
    ask(trigger, where)?.catch(() => {});
  }

  // What does not fit the line of a request is asked about in a body: a question all the same.
  function ask(trigger, where) {
    const shown = { target: body, swap: "innerHTML" };
    if (where.length <= LONGEST) return window.htmx.ajax("GET", where, shown);
    const values = new FormData(trigger.form);
    values.set("ask", "1");
    values.set("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "");
    return window.htmx.ajax("POST", trigger.formAction, { ...shown, values });
  }

  // The address of the link is that of a page which asks first; pressed here it is done, and a notice says so.
  function act(event) {
    const trigger = isPlain(event, "[data-act]");
    if (!trigger) return;
    event.preventDefault();
    if (trigger.dataset.acting) return;
    trigger.dataset.acting = "1";
    const where = new URL(trigger.href);
    const values = Object.fromEntries(where.searchParams);
    values.csrfmiddlewaretoken = document.querySelector("[name=csrfmiddlewaretoken]")?.value;
    const done = window.htmx.ajax("POST", trigger.dataset.act || where.pathname, { target: "#notices", swap: "innerHTML", values });
    // What went wrong is said by app.js.
    done.catch(() => {}).finally(() => delete trigger.dataset.acting);
  }

  function shown(event) {
    if (event.detail.target !== body && !body.contains(event.detail.target)) return;
    if (!dialog.open && body.firstElementChild) dialog.showModal();
    (body.querySelector("[autofocus]") || body.querySelector("[tabindex='-1']"))?.focus();
  }

  function close(event) {
    if (!event.target.closest("[data-close]") || !dialog.open) return;
    event.preventDefault();
    dialog.close();
  }

  function closed() {
    body.replaceChildren();
    document.dispatchEvent(new CustomEvent("canfar:dialog-closed"));
    window.htmx.trigger(document.body, "sessions-changed");
    const back = opener && [...document.querySelectorAll(`#${CSS.escape(opener.id || "main")} [data-dialog]`)];
    const found = back?.find((each) => each.textContent === opener.text);
    // What stands in a menu that has closed cannot take the focus; the menu's button can.
    const seen = found?.checkVisibility() ? found : found?.closest("details")?.querySelector("summary");
    (seen || document.getElementById("main"))?.focus();
    opener = null;
  }

  document.addEventListener("click", open);
  document.addEventListener("click", act);
  dialog.addEventListener("click", close);
  dialog.addEventListener("close", closed);
  document.body.addEventListener("htmx:afterSwap", shown);
  document.body.addEventListener("dialog-done", () => { if (dialog.open) dialog.close(); });
  startNotices();
}

function startNotices() {
  const notices = document.getElementById("notices");
  let timer = 0;

  function wait() {
    clearTimeout(timer);
    if (notices.querySelector('[data-notice="done"]')) timer = setTimeout(leave, 1000 * SHOWN);
  }

  // Nothing goes away under a pointer or from under the focus.
  function leave() {
    if (notices.matches(":hover") || notices.contains(document.activeElement)) wait();
    else notices.replaceChildren();
  }

  notices.addEventListener("click", (event) => {
    if (!event.target.closest("[data-dismiss]")) return;
    event.preventDefault();
    notices.replaceChildren();
    document.getElementById("main").focus();
  });
  document.body.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target === notices || notices.contains(event.detail.elt)) wait();
  });
  wait();
}

// Every <details data-menu>: one is open at a time; Escape, a choice, a click or the focus elsewhere close it, arrows go
// through it. It is here from the start, as a key may come right after the one that opened a menu.
export function startMenus() {
  document.addEventListener("click", leaveMenus);
  document.addEventListener("focusin", leaveMenus);
  document.addEventListener("keydown", escapeMenus);
  document.addEventListener("keydown", walkMenu);
}

const openMenus = () => document.querySelectorAll("details[data-menu][open]");

function closeMenu(menu) {
  // What is hidden cannot keep the focus.
  if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
  menu.open = false;
}

function leaveMenus(event) {
  const chosen = event.type === "click" && event.target.closest?.("a[href]");
  for (const menu of openMenus()) if (chosen || !menu.contains(event.target)) closeMenu(menu);
}

function escapeMenus(event) {
  if (event.key !== "Escape") return;
  for (const menu of openMenus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
}

function walkMenu(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const menu = step && event.target.closest?.("details[data-menu]");
  if (!menu || event.target.matches("input, select, textarea")) return;
  event.preventDefault();
  menu.open = true;
  const items = [...menu.querySelectorAll("summary, a[href], button")].filter((item) => item.checkVisibility());
  const here = items.indexOf(document.activeElement);
  items[(here + step + items.length) % items.length].focus();
}
