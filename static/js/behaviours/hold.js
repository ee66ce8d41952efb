// Keeps the rows where they are while somebody points at, focuses or has selected one of them.
//
// What arrives meanwhile is taken in place: known rows are updated, new ones wait below, ended ones stay, dimmed.
// When the last hold is gone the list takes the order the server gave it.

let wanted = null;
let chosen = [];

const table = (root) => root.querySelector("#sessions-table tbody");

function isHeld(element) {
  const body = table(element);
  if (!body) return false;
  return body.matches(":hover") || body.contains(document.activeElement) || body.querySelector("input:checked:not(:disabled)") !== null;
}

// Returns the incoming rows in the order of the present ones; rows that are gone stay as they were.
export function inPresentOrder(present, incoming) {
  const fresh = new Map(incoming.map((row) => [row.id, row]));
  const kept = present.map((row) => {
    const update = fresh.get(row.id);
    fresh.delete(row.id);
    if (update) return update;
    const ghost = row.cloneNode(true);
    ghost.dataset.gone = "";
    ghost.querySelectorAll("input").forEach((input) => { input.disabled = true; input.removeAttribute("checked"); });
    return ghost;
  });
  return [...kept, ...fresh.values()];
}

export function attach(element) {
  function beforeSwap(event) {
    if (event.detail.target !== element || !event.detail.shouldSwap) return;
    const present = table(element);
    chosen = present ? [...present.querySelectorAll("input:checked:not(:disabled)")].map((box) => box.value) : [];
    // Only a refresh is held; another filter is another list.
    const isRefresh = event.detail.requestConfig.elt === element;
    if (!present || !isRefresh || event.detail.xhr.status !== 200 || !isHeld(element)) return;
    const page = new DOMParser().parseFromString(event.detail.serverResponse, "text/html");
    const incoming = table(page);
    if (!incoming) return;
    const before = [...incoming.rows].map((row) => row.id).join();
    incoming.replaceChildren(...inPresentOrder([...present.rows], [...incoming.rows]));
    wanted = [...incoming.rows].map((row) => row.id).join() === before ? null : event.detail.serverResponse;
    event.detail.serverResponse = page.body.innerHTML;
  }

  // The server does not know what is selected; whatever was and is still listed stays so.
  function afterSwap(event) {
    if (event.detail.target !== element) return;
    for (const box of element.querySelectorAll('input[name="s"]:not(:disabled)')) {
      box.checked = chosen.includes(box.value);
    }
  }

  function release() {
    if (wanted === null || isHeld(element)) return;
    wanted = null;
    element.dataset.version = "";
    window.htmx.trigger(element, "refresh");
  }

  const later = () => setTimeout(release, 250);
  element.addEventListener("htmx:beforeSwap", beforeSwap);
  element.addEventListener("htmx:afterSwap", afterSwap);
  element.addEventListener("pointerleave", later);
  element.addEventListener("focusout", later);
  element.addEventListener("change", later);
  element.addEventListener("reset", later);

  return () => {
    element.removeEventListener("htmx:beforeSwap", beforeSwap);
    element.removeEventListener("htmx:afterSwap", afterSwap);
    element.removeEventListener("pointerleave", later);
    element.removeEventListener("focusout", later);
    element.removeEventListener("change", later);
    element.removeEventListener("reset", later);
  };
}
