// How somebody likes to see logs, remembered by the browser.

const PLACE = "canfarweb.log";

export function remembered() {
  try {
    const { wrap, times } = JSON.parse(localStorage.getItem(PLACE)) ?? {};
    return { wrap: wrap === true, times: times === true };
  } catch {
    return {};
  }
}

export function remember(settings) {
  try {
    localStorage.setItem(PLACE, JSON.stringify(settings));
  } catch {
    // A browser that keeps nothing still shows the log.
  }
}
