// Keeps the rows in their order while somebody points at, focuses or has selected one of them.
//
// What arrives meanwhile is taken in place: known rows are updated, new ones wait below, and rows that the portal shows
// no more go. When the last hold is gone the list takes the order the server gave it.

let wanted = null;
let chosen = [];

const table = (root) => root.querySelector("#sessions-table tbody");
const boxes = 'input[type="checkbox"][name]:not(:disabled)';
const named = (box) => `${box.name}=${box.value}`;

function isHeld(element) {
  const body = table(element);
  if (!body) return false;
  return body.matches(":hover") || body.contains(document.activeElement) || body.querySelector("input:checked, .menu[open]") !== null;
}

// Returns the incoming rows in the order of the present ones.
export function inPresentOrder(present, incoming) {
  const fresh = new Map(incoming.map((row) => [row.id, row]));
  const kept = present.map((row) => fresh.get(row.id)).filter((row) => row && fresh.delete(row.id));
  return [...kept, ...fresh.values()];
}

export function attach(element) {
  function beforeSwap(event) {
    if (event.detail.target !== element || !event.detail.shouldSwap) return;
    const present = table(element);
    chosen = present ? [...present.querySelectorAll("input:checked:not(:disabled)")].map(named) : [];
    // Only a refresh is held; another filter is another list.
    const isRefresh = event.detail.requestConfig.elt === element;
    if (!present || !isRefresh || event.detail.xhr.status !== 200 || !isHeld(element)) return;
    const page = new DOMParser().parseFromString(event.detail.serverResponse, "text/html");
    const incoming = table(page);
    if (!incoming) return;
    const before = [...incoming.rows].map((row) => row.id).join();
    incoming.replaceChildren(...inPresentOrder([...present.rows], [...incoming.rows]));
    for (const menu of present.querySelectorAll(".menu[open]")) {
      incoming.querySelector(`#${CSS.escape(menu.closest("tr").id)} .menu`)?.setAttribute("open", "");
    }
    wanted = [...incoming.rows].map((row) => row.id).join() === before ? null : event.detail.serverResponse;
    event.detail.serverResponse = page.body.innerHTML;
  }

  // The server does not know what is selected; whatever was and is still listed stays so.
  function afterSwap(event) {
    if (event.detail.target !== element) return;
    for (const box of element.querySelectorAll(boxes)) box.checked = chosen.includes(named(box));
  }

  function release() {
    if (wanted === null || isHeld(element)) return;
    wanted = null;
    element.dataset.version = "";
    window.htmx.trigger(element, "refresh");
  }

  const later = () => setTimeout(release, 250);
  const heard = ["pointerleave", "focusout", "change", "reset"];
  element.addEventListener("htmx:beforeSwap", beforeSwap);
  element.addEventListener("htmx:afterSwap", afterSwap);
  heard.forEach((name) => element.addEventListener(name, later));

  return () => {
    element.removeEventListener("htmx:beforeSwap", beforeSwap);
    element.removeEventListener("htmx:afterSwap", afterSwap);
    heard.forEach((name) => element.removeEventListener(name, later));
  };
}
