// Asks for an element anew while its tab is visible; htmx does the asking.
//
// With data-live the portal tells over the tab's socket when there is something new, and the element is asked for at
// once; now and then it is asked for all the same. Without a socket it is asked for every data-interval seconds. The
// shown version goes along, so that an unchanged fragment costs an empty answer.

import { follow } from "./live.js";

// Seconds between two looks while the portal tells of changes.
const ALL_THE_SAME = 30;

export function attach(element) {
  let timer = 0;
  let isTold = false;
  let version = null;
  const topic = element.dataset.live ? follow("", element.dataset.live, { place: () => ({}), connection, take }) : null;

  const interval = () => 1000 * (isTold ? ALL_THE_SAME : Math.max(1, Number(element.dataset.interval) || 5));

  function schedule() {
    clearTimeout(timer);
    timer = setTimeout(ask, interval());
  }

  function ask() {
    if (!element.hasAttribute("hx-get")) return; // It has come to its end.
    if (!document.hidden && element.isConnected) window.htmx.trigger(element, "refresh");
    schedule();
  }

  function connection(state) {
    if (isTold && state !== "open") { isTold = false; schedule(); }
  }

  // The first version says nothing of what is shown, so the look that is due anyway is not put off.
  function take(message) {
    if (message.t !== "list") return;
    const isNews = isTold && version !== message.v;
    version = message.v;
    isTold = true;
    if (isNews) ask();
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
    topic?.leave();
    element.removeEventListener("htmx:configRequest", onRequest);
    document.removeEventListener("visibilitychange", onVisible);
  };
}
