// Lets the tab tell how far a session is: by its title, its icon, a spoken word, and a notice if one was asked for.
//
// The element says it all in its data: data-title (app.js shows it), data-icon, data-spoken, data-state, data-name,
// data-slug. Without a [data-tell] button there are no notices.

// Seconds between two looks while it is pending, seen or not: time alone moves the estimate, and makes a wait a queue.
const INTERVAL = 5;

export function attach(element) {
  const icon = document.querySelector('link[rel="icon"]');
  const usual = icon?.getAttribute("href");
  const plainTitle = document.title;
  const asked = `canfar.tell.${element.dataset.slug}`;
  let spoken = element.dataset.spoken;
  let state = element.dataset.state;
  const timer = setInterval(() => { if (element.dataset.state === "pending") look(); }, INTERVAL * 1000);

  function look() {
    if (element.hasAttribute("hx-get")) window.htmx.trigger(element, "refresh");
  }

  function show() {
    const wanted = element.dataset.icon || usual;
    if (icon && wanted && icon.getAttribute("href") !== wanted) icon.setAttribute("href", wanted);
    // When there is nothing more to wait for, the page goes by its own name again.
    if (!element.dataset.title && document.title !== plainTitle && /^\(\d/.test(document.title)) {
      document.title = `${element.dataset.name} · canfarweb`;
    }
    showTell();
  }

  function showTell() {
    const button = element.querySelector("[data-tell]");
    if (!button || !("Notification" in window)) return;
    button.hidden = false;
    button.setAttribute("aria-pressed", String(isAsked()));
    button.textContent = Notification.permission === "denied" ? "Notices are blocked in this browser"
      : isAsked() ? "You will be told" : "Tell me when ready";
    button.disabled = Notification.permission === "denied";
  }

  function isAsked() {
    return remembered(asked) === "1" && "Notification" in window && Notification.permission === "granted";
  }

  async function onClick(event) {
    if (!event.target.closest("[data-tell]")) return;
    if (isAsked()) remember(asked, "");
    else if ((await Notification.requestPermission()) === "granted") remember(asked, "1");
    showTell();
  }

  function tell(words) {
    if (!isAsked()) return;
    remember(asked, "");
    try {
      const notice = new Notification(words, { tag: `canfar-${element.dataset.slug}` });
      notice.addEventListener("click", () => { window.focus(); notice.close(); });
    } catch { /* Some browsers only take notices from a worker. */ }
  }

  function say() {
    if (!element.dataset.spoken || element.dataset.spoken === spoken) return;
    spoken = element.dataset.spoken;
    document.getElementById("said").textContent = `${element.dataset.name}: ${spoken}`;
  }

  function learn() {
    if (element.dataset.state === state) return;
    state = element.dataset.state;
    if (state === "running") tell(`${element.dataset.name} is ready`);
    else if (state === "failed") tell(`${element.dataset.name} failed`);
  }

  // The page is about to leave for the session, which says nothing to a tab that nobody sees.
  function onAnswer(event) {
    const isReady = event.detail.xhr?.getResponseHeader("X-Session-State") === "running";
    if (event.detail.elt === element && isReady) tell(`${element.dataset.name} is ready`);
  }

  function onSwap() {
    if (!element.isConnected) return;
    show();
    say();
    learn();
  }

  function onNews() {
    // Only what is seen refreshes itself.
    if (document.hidden) look();
  }

  show();
  element.addEventListener("click", onClick);
  document.addEventListener("canfar:session", onNews);
  document.body.addEventListener("htmx:afterSwap", onSwap);
  document.body.addEventListener("htmx:beforeOnLoad", onAnswer);
  return () => {
    clearInterval(timer);
    element.removeEventListener("click", onClick);
    document.removeEventListener("canfar:session", onNews);
    document.body.removeEventListener("htmx:afterSwap", onSwap);
    document.body.removeEventListener("htmx:beforeOnLoad", onAnswer);
  };
}

function remembered(key) {
  try { return sessionStorage.getItem(key); } catch { return null; }
}

function remember(key, value) {
  try { sessionStorage.setItem(key, value); } catch { /* Not remembered, then. */ }
}
