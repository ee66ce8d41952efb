// The launch form: checked by the server as it is filled in, its image list narrowed as one types, sent once.

const PAUSE = 300;

export function attach(element) {
  let timer = 0;
  let sent = false;
  let touched = false;

  function check() {
    follow();
    window.htmx.ajax("POST", `${element.action}/check`, {
      source: element,
      target: "#summary",
      swap: "morph:outerHTML",
      values: Object.fromEntries(new FormData(element)),
    });
  }

  function changed(event) {
    touched = true;
    if (event.target.matches("[data-filter-list]")) return narrow(event.target);
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
    const said = {
      type: field("kind"),
      image: field("other_image") || field("image"),
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
      toTheFirstObstacle();
      return;
    }
    sent = true;
    const button = element.querySelector("[data-launch]");
    button.textContent = "Launching…";
    button.setAttribute("aria-busy", "true");
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
    if (event.persisted) check();
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
