// Closes an open <details data-menu> by Escape, and when somebody clicks or goes elsewhere.

let isStarted = false;

export function startMenus() {
  if (isStarted) return;
  isStarted = true;
  const open = () => document.querySelectorAll("details[data-menu][open]");

  function leave(event) {
    for (const menu of open()) if (!menu.contains(event.target)) menu.open = false;
  }

  document.addEventListener("click", leave);
  document.addEventListener("focusin", leave);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of open()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
}
