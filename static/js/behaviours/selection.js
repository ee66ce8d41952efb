// Shows what can be done with the selected rows, and to how many; says changes of state aloud.

export function attach(element) {
  const boxes = () => [...element.querySelectorAll('input[name="s"]:not(:disabled)')];
  let last = null;
  let states = readStates();

  function readStates() {
    return new Map([...element.querySelectorAll("[data-row]")].map((row) => [row.id, [row.dataset.name, row.dataset.state]]));
  }

  function show() {
    const bar = element.querySelector("[data-selection]");
    if (!bar) return;
    const count = boxes().filter((box) => box.checked).length;
    bar.dataset.selection = count ? "some" : "none";
    const words = `${count} selected`;
    const label = bar.querySelector("[data-selection-count]");
    if (label.textContent !== words) label.textContent = words;
    const all = element.querySelector("[data-select-all]");
    if (all) {
      all.checked = count > 0 && count === boxes().length;
      all.indeterminate = count > 0 && !all.checked;
    }
  }

  function choose(event) {
    const box = event.target;
    if (box.matches("[data-select-all]")) boxes().forEach((each) => { each.checked = box.checked; });
    show();
  }

  // Shift-click takes everything between this box and the one before.
  function range(event) {
    const box = event.target;
    if (!box.matches?.('input[name="s"]')) return;
    const all = boxes();
    if (event.shiftKey && last && all.includes(last)) {
      const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
      all.slice(from, to + 1).forEach((each) => { each.checked = box.checked; });
      show();
    }
    last = box;
  }

  function settled(event) {
    if (event.target !== element && !element.contains(event.target)) return;
    show();
    const now = readStates();
    const news = [...now].filter(([id, [, state]]) => states.has(id) && states.get(id)[1] !== state);
    states = now;
    if (news.length) {
      document.getElementById("said").textContent = news.slice(0, 3).map(([, [name, state]]) => `${name} is now ${state}.`).join(" ");
    }
  }

  const reset = () => setTimeout(show, 0);
  element.addEventListener("change", choose);
  element.addEventListener("click", range);
  element.addEventListener("reset", reset);
  document.body.addEventListener("htmx:afterSettle", settled);
  show();

  return () => {
    element.removeEventListener("change", choose);
    element.removeEventListener("click", range);
    element.removeEventListener("reset", reset);
    document.body.removeEventListener("htmx:afterSettle", settled);
  };
}
