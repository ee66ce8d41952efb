// The launch form: checked by the server as it is filled in, its image list narrowed as one types, sent once.

import { valuesOf, withNewer } from "./keeping.js";

const PAUSE = 300;

export function attach(element) {
  let timer = 0;
  let sent = false;
  let touched = false;
  // What the form held when each answer that is still on its way was asked for.
  const asked = new WeakMap();

  const chosenKind = () => element.elements.kind?.value;

  function check() {
    if (chosenKind() !== element.dataset.drawn) return redraw();
    follow();
    window.htmx.ajax("POST", `${element.action}/check`, {
      source: element,
      target: "#summary",
      swap: "morph:outerHTML",
      values: Object.fromEntries(new FormData(element)),
    });
  }

  // The fields are those of another kind than the chosen one: a browser filled the form in again, or an answer was lost.
  function redraw() {
    if (!element.querySelector(".kinds .htmx-request")) {
      window.htmx.trigger(element.querySelector('[name="kind"]:checked'), "change");
    }
  }

  function onRequest(event) {
    asked.set(event.detail.xhr, valuesOf(element));
  }

  function onSwap(event) {
    const before = asked.get(event.detail.xhr);
    if (!before || !event.detail.shouldSwap) return;
    const isOld = before.get("kind") !== chosenKind();
    if (isOld || (sent && event.detail.target !== element)) event.detail.shouldSwap = false;
    else event.detail.serverResponse = withNewer(event.detail.serverResponse, element, before);
  }

  function changed(event) {
    touched = true;
    if (event.target.matches("[data-filter-list]")) return narrow(event.target);
    // The address follows a choice at once, as one may leave at once.
    if (event.target.matches("[type=radio], select")) follow();
    if (event.target.name === "kind") return;
    clearTimeout(timer);
    timer = setTimeout(check, PAUSE);
  }

  function narrow(field) {
    const wanted = field.value.trim().toLowerCase();
    const images = [...element.querySelectorAll(`${field.dataset.filterList} .image`)];
    for (const image of images) image.hidden = !image.textContent.toLowerCase().includes(wanted);
    const found = images.filter((image) => !image.hidden).length;
    const count = element.querySelector("[data-found]");
    count.textContent = wanted ? `${found || "none"} of ${images.length}` : `${images.length} images`;
  }

  // The address says what the form does, so that it can be kept; never what it runs, nor variables.
  function follow() {
    const here = new URL(location.href);
    if (!touched || here.searchParams.has("again")) return;
    const field = (name) => element.elements[name]?.value ?? "";
    const isFixed = field("resources") === "fixed";
    const isDrawn = chosenKind() === element.dataset.drawn;
    const said = {
      type: field("kind"),
      // An image of the list of another kind is none of this one's.
      image: field("other_image") || (isDrawn ? field("image") : ""),
      name: field("name") === field("suggested") ? "" : field("name"),
      cores: isFixed ? field("cores") : "",
      memory: isFixed ? field("ram") : "",
      gpus: field("gpu"),
      replicas: field("replicas") === "1" ? "" : field("replicas"),
    };
    here.search = new URLSearchParams(Object.entries(said).filter(([, value]) => value)).toString();
    history.replaceState(history.state, "", here);
  }

  // What is wrong with a field is told to whoever cannot see the words below it, too.
  function mark() {
    for (const says of element.querySelectorAll(".says")) {
      const field = element.querySelector(`[aria-describedby~="${says.id}"]`);
      field?.toggleAttribute("aria-invalid", false);
      if (says.querySelector(".field__error")) field?.setAttribute("aria-invalid", "true");
    }
  }

  function settled(event) {
    if (event.target === element) {
      const search = element.querySelector("[data-filter-list]");
      if (search?.value) narrow(search);
      check();
    }
    mark();
  }

  // What a browser filled in again is not hidden, and of images it fills in the place in the list, not the name.
  function filledAgain() {
    if (touched) return;
    for (const field of element.querySelectorAll("details.more :is(input, textarea)")) {
      if (field.value) field.closest("details").open = true;
    }
    if (new URL(location.href).searchParams.has("image") && chosenKind() === element.dataset.drawn) {
      for (const image of element.querySelectorAll('[name="image"]')) image.checked = image.defaultChecked;
    }
  }

  function keyed(event) {
    if (event.key === "Enter" && event.target.matches("[data-filter-list]")) event.preventDefault();
  }

  function submit(event) {
    if (sent) return event.preventDefault();
    if (element.querySelector('[data-launch][aria-disabled="true"]')) {
      event.preventDefault();
      toTheFirstObstacle();
      return;
    }
    sent = true;
    const button = element.querySelector("[data-launch]");
    button.textContent = "Launching…";
    button.setAttribute("aria-busy", "true");
  }

  // What could not be checked is no obstacle: the portal looks at it once more when it is sent.
  function unchecked() {
    element.querySelector("[data-launch]")?.removeAttribute("aria-disabled");
  }

  function toTheFirstObstacle() {
    const says = element.querySelector(".field__error")?.closest(".says");
    // What no field can mend, as a limit of sessions, is said in the summary alone.
    if (!says) return element.querySelector("#obstacles")?.focus();
    const field = element.querySelector(`[aria-describedby~="${says.id}"]`);
    field?.closest("details")?.setAttribute("open", "");
    (field ?? element.querySelector("#anyway input, .image input"))?.focus();
  }

  // A page that comes back by the browser's Back still says "Launching…".
  function restored(event) {
    sent = false;
    if (!event.persisted) filledAgain();
    check();
  }

  element.addEventListener("input", changed);
  element.addEventListener("keydown", keyed);
  document.body.addEventListener("htmx:afterSettle", settled);
  element.addEventListener("submit", submit);
  window.addEventListener("pageshow", restored);
  element.addEventListener("htmx:beforeRequest", onRequest);
  element.addEventListener("htmx:beforeSwap", onSwap);
  element.addEventListener("htmx:responseError", unchecked);
  element.addEventListener("htmx:sendError", unchecked);
  element.addEventListener("htmx:timeout", unchecked);
  filledAgain();
  check();

  return () => {
    clearTimeout(timer);
    element.removeEventListener("input", changed);
    element.removeEventListener("keydown", keyed);
    document.body.removeEventListener("htmx:afterSettle", settled);
    element.removeEventListener("submit", submit);
    element.removeEventListener("htmx:beforeRequest", onRequest);
    element.removeEventListener("htmx:beforeSwap", onSwap);
    element.removeEventListener("htmx:responseError", unchecked);
    element.removeEventListener("htmx:sendError", unchecked);
    element.removeEventListener("htmx:timeout", unchecked);
    window.removeEventListener("pageshow", restored);
  };
}
