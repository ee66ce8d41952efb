// Follows one topic over HTTP: the same place, the same messages, each request waiting at the portal for news.

const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 15_000;
// Longer than the portal keeps a request waiting.
const DEADLINE = 20_000;

// Answers an AbortController that ends it.
export function poll(topic, { take, answered, failed, signedOut }) {
  const controller = new AbortController();
  run().catch(() => {});
  return controller;

  async function run() {
    let seen = "";
    let failures = 0;
    while (!controller.signal.aborted) {
      try {
        const answer = await ask(seen);
        if (controller.signal.aborted) return;
        failures = 0;
        answered();
        seen = answer.seen ?? "";
        answer.frames.forEach(take);
        // Other requests of this browser wait for news already; with more of them its pages would wait, too.
        if (answer.again) await pause(1_000 * answer.again);
        // What a hidden tab misses it asks for when it is seen again.
        if (document.hidden) await shown();
      } catch (trouble) {
        if (controller.signal.aborted) return;
        if (trouble.isSignedOut) { signedOut(); return; }
        if (trouble.isAbsent) { take({ t: "denied", s: topic.slug, w: topic.what, why: "absent" }); return; }
        failed();
        failures += 1;
        await pause(Math.min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE));
      }
    }
  }

  async function ask(seen) {
    const address = new URL(`/s/${topic.slug}/${topic.what}/since`, location.href);
    const { epoch, after, tail } = topic.follower.place();
    for (const [name, value] of Object.entries({ e: epoch, after, tail, seen })) {
      if (value !== null && value !== undefined && value !== "") address.searchParams.set(name, value);
    }
    const signal = AbortSignal.any([controller.signal, AbortSignal.timeout(DEADLINE)]);
    const response = await fetch(address, { signal, redirect: "manual", cache: "no-store", headers: { Accept: "application/json" } });
    if (response.status === 401 || response.type === "opaqueredirect") throw { isSignedOut: true };
    if (response.status === 404) throw { isAbsent: true };
    if (!response.ok) throw new Error(response.status);
    return response.json();
  }

  function pause(milliseconds) {
    return new Promise((then) => {
      const timer = setTimeout(then, milliseconds);
      controller.signal.addEventListener("abort", () => { clearTimeout(timer); then(); }, { once: true });
    });
  }

  function shown() {
    return new Promise((then) => {
      document.addEventListener("visibilitychange", then, { once: true, signal: controller.signal });
      controller.signal.addEventListener("abort", then, { once: true });
    });
  }
}
