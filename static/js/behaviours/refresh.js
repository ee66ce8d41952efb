// Asks for an element anew every data-interval seconds while its tab is visible; htmx does the asking.
//
// The shown version goes along, so that an unchanged fragment costs an empty answer.

export function attach(element) {
  let timer = 0;

  const interval = () => 1000 * Math.max(1, Number(element.dataset.interval) || 5);

  function schedule() {
    clearTimeout(timer);
    timer = setTimeout(ask, interval());
  }

  function ask() {
    if (!element.hasAttribute("hx-get")) return; // It has come to its end.
    if (!document.hidden && element.isConnected) window.htmx.trigger(element, "refresh");
    schedule();
  }

  function onVisible() {
    if (!document.hidden) ask();
  }

  function onRequest(event) {
    if (event.target === element && element.dataset.version) {
      event.detail.headers["X-Shown-Version"] = element.dataset.version;
    }
  }

  element.addEventListener("htmx:configRequest", onRequest);
  document.addEventListener("visibilitychange", onVisible);
  schedule();

  return () => {
    clearTimeout(timer);
    element.removeEventListener("htmx:configRequest", onRequest);
    document.removeEventListener("visibilitychange", onVisible);
  };
}
