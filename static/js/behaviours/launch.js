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
  element.addEventListener("submit", submit);
  window.addEventListener("pageshow", restored);
  check();

  return () => {
    clearTimeout(timer);
    element.removeEventListener("input", changed);
    element.removeEventListener("submit", submit);
    window.removeEventListener("pageshow", restored);
  };
}
