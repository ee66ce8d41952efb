// Every <details data-menu>: one is open at a time; Escape, a choice, a click or the focus elsewhere close it, arrows go
// through it. It is here from the start, as a key may come right after the one that opened a menu.

const ITEMS = "summary, a[href], button";

export function startMenus() {
  document.addEventListener("click", leave);
  document.addEventListener("focusin", leave);
  document.addEventListener("keydown", escape);
  document.addEventListener("keydown", walk);
}

const open = () => document.querySelectorAll("details[data-menu][open]");

function close(menu) {
  // What is hidden cannot keep the focus.
  if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
  menu.open = false;
}

function leave(event) {
  const chosen = event.type === "click" && event.target.closest?.("a[href]");
  for (const menu of open()) if (chosen || !menu.contains(event.target)) close(menu);
}

function escape(event) {
  if (event.key !== "Escape") return;
  for (const menu of open()) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
}

function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const menu = step && event.target.closest?.("details[data-menu]");
  if (!menu || event.target.matches("input, select, textarea")) return;
  event.preventDefault();
  menu.open = true;
  const items = [...menu.querySelectorAll(ITEMS)].filter((item) => item.checkVisibility());
  const here = items.indexOf(document.activeElement);
  items[(here + step + items.length) % items.length].focus();
}
