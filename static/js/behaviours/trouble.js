// What the portal itself could not do is said where it was asked for: in the dialog, else below the page.

const WORDS = {
  0: "The portal does not answer. What you see may be old; it is being asked again.",
  403: "This page is no longer valid, so nothing was done. Load it again and try once more.",
  404: "That is not there any more. Load the page again.",
  500: "The portal made a mistake and what you see may be old. Your sessions are untouched.",
};

export function startTrouble() {
  const lost = document.getElementById("lost");
  const dialog = document.getElementById("dialog");
  const body = document.getElementById("dialog-body");

  function isOfDialog({ target, elt }) {
    return target === body || body.contains(elt);
  }

  function trouble(event) {
    const status = event.detail.xhr?.status ?? 0;
    const words = WORDS[status] ?? WORDS[status >= 500 ? 500 : 404];
    if (isOfDialog(event.detail)) sayInDialog(status ? words : "The portal does not answer, so nothing was done. Try again.");
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
