// The launch form: checked by the server as it is filled in, its image list narrowed as one types, sent once.

const PAUSE = 300;

export function attach(element) {
  let timer = 0;
  let sent = false;

  function check() {
    window.htmx.ajax("POST", `${element.action}/check`, {
      source: element,
      target: "#summary",
      swap: "morph:outerHTML",
      values: Object.fromEntries(new FormData(element)),
    });
  }

  function changed(event) {
    if (event.target.matches("[data-filter-list]")) return narrow(event.target);
    if (event.target.name === "kind") return;
    clearTimeout(timer);
    timer = setTimeout(check, PAUSE);
  }

  function narrow(field) {
    const wanted = field.value.trim().toLowerCase();
    for (const image of element.querySelectorAll(`${field.dataset.filterList} .image`)) {
      image.hidden = !image.textContent.toLowerCase().includes(wanted);
    }
  }

  // What is wrong with a field is told to whoever cannot see the words below it, too.
  function mark() {
    for (const says of element.querySelectorAll(".says")) {
      const field = element.querySelector(`[aria-describedby="${says.id}"]`);
      field?.toggleAttribute("aria-invalid", false);
      if (says.querySelector(".field__error")) field?.setAttribute("aria-invalid", "true");
    }
  }

  function settled(event) {
    if (event.target === element) check();
    mark();
  }

  function keyed(event) {
    if (event.key === "Enter" && event.target.matches("[data-filter-list]")) event.preventDefault();
  }

  function submit(event) {
    if (sent) return event.preventDefault();
    if (element.querySelector('[data-launch][aria-disabled="true"]')) {
      event.preventDefault();
      element.querySelector(".field__error")?.closest(".says")?.previousElementSibling?.querySelector("input, select, textarea")?.focus();
      return;
    }
    sent = true;
    const button = element.querySelector("[data-launch]");
    button.textContent = "Launching…";
    button.setAttribute("aria-busy", "true");
  }

  function restored() {
    sent = false;
  }

  element.addEventListener("input", changed);
  element.addEventListener("keydown", keyed);
  document.body.addEventListener("htmx:afterSettle", settled);
  element.addEventListener("submit", submit);
  window.addEventListener("pageshow", restored);
  check();

  return () => {
    clearTimeout(timer);
    element.removeEventListener("input", changed);
    element.removeEventListener("keydown", keyed);
    document.body.removeEventListener("htmx:afterSettle", settled);
    element.removeEventListener("submit", submit);
    window.removeEventListener("pageshow", restored);
  };
}
