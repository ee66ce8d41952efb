// Shows one part of a session's page at a time where they do not stand beside each other: the style sheet decides where
// that is. Without scripts the links lead down the page to the parts.

const LINE = /^#L\d/;

export function attach(element) {
  const controller = new AbortController();
  let isChosen = false;
  const links = [...element.querySelectorAll("a[data-pane]")];

  function show(name) {
    element.dataset.shown = name;
    for (const link of links) {
      if (link.dataset.pane === name) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  // The address may name a line, or a part.
  function wanted() {
    if (LINE.test(location.hash)) return "log";
    return links.find((link) => link.hash === location.hash)?.dataset.pane;
  }

  function onClick(event) {
    const link = event.target.closest("a[data-pane]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    isChosen = true;
    show(link.dataset.pane);
  }

  function onHash() {
    const name = wanted();
    if (name) show(name);
  }

  const options = { signal: controller.signal };
  element.addEventListener("click", onClick, options);
  window.addEventListener("hashchange", onHash, options);
  // Until somebody chose, the log is shown as soon as there is one.
  const log = element.querySelector("[data-text]");
  const showUsual = () => { if (!isChosen) show(wanted() ?? (log?.dataset.text === "none" ? "events" : "log")); };
  const observer = new MutationObserver(showUsual);
  if (log) observer.observe(log, { attributeFilter: ["data-text"] });
  showUsual();
  return () => { observer.disconnect(); controller.abort(); };
}
