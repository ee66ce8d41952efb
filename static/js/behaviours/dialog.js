// Opens what a [data-dialog] link or button leads to in the page's one dialog. Without scripts the same address is a page.

export function startDialog() {
  const dialog = document.getElementById("dialog");
  const body = document.getElementById("dialog-body");
  let opener = null;

  function address(trigger) {
    if (trigger.tagName === "A") return trigger.href;
    const form = trigger.form;
    const chosen = new URLSearchParams(new FormData(form));
    if (!chosen.has("s")) return null;
    return `${trigger.formAction}?${chosen}`;
  }

  function open(event) {
    const trigger = event.target.closest("[data-dialog]");
    if (!trigger || event.ctrlKey || event.metaKey || event.shiftKey || event.button > 0) return;
    event.preventDefault();
    const where = address(trigger);
    if (!where) return;
    opener = { id: trigger.closest("[id]")?.id, text: trigger.textContent };
    window.htmx.ajax("GET", where, { target: body, swap: "innerHTML" });
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
    (back?.find((each) => each.textContent === opener.text) || document.getElementById("main"))?.focus();
    opener = null;
  }

  document.addEventListener("click", open);
  dialog.addEventListener("click", close);
  dialog.addEventListener("close", closed);
  document.body.addEventListener("htmx:afterSwap", shown);
}
