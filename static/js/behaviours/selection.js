// Shows what can be done with the selected rows, and to how many; makes each whole row a way to its page; says
// changes of state aloud.

export function attach(element) {
  const boxes = () => [...element.querySelectorAll('input[name="s"]:not(:disabled), input[name="g"]')];
  const size = (box) => Number(box.dataset.count || 1);
  let last = null;
  let states = readStates();

  function readStates() {
    return new Map([...element.querySelectorAll("[data-row]")].map((row) => [row.id, [row.dataset.name, row.dataset.state]]));
  }

  function show() {
    const bar = element.querySelector("[data-selection]");
    if (!bar) return;
    const chosen = boxes().filter((box) => box.checked);
    const count = chosen.reduce((sum, box) => sum + size(box), 0);
    bar.dataset.selection = count ? "some" : "none";
    const words = `${count} selected`;
    const label = bar.querySelector("[data-selection-count]");
    if (label.textContent !== words) label.textContent = words;
    const all = element.querySelector("[data-select-all]");
    if (all) {
      all.checked = count > 0 && chosen.length === boxes().length;
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
    if (!box.matches?.('input[name="s"], input[name="g"]')) return;
    const all = boxes();
    if (event.shiftKey && last && all.includes(last)) {
      const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
      all.slice(from, to + 1).forEach((each) => { each.checked = box.checked; });
      show();
    }
    last = box;
  }

  // A click beside the row's own controls goes where its name leads; whoever selects text goes nowhere.
  function follow(event) {
    const row = event.target.closest?.("[data-row]");
    if (!row || event.defaultPrevented || event.target.closest("a, button, input, summary, .menu, .table__check")) return;
    if (event.button > 1 || String(window.getSelection())) return;
    const link = row.querySelector("[data-line]");
    if (!link) return;
    if (event.button === 1 || event.ctrlKey || event.metaKey) window.open(link.href, "_blank", "noopener");
    else if (!event.shiftKey && !event.altKey) link.click();
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
  const heard = { change: choose, reset, auxclick: follow };
  const clicked = (event) => { range(event); follow(event); };
  for (const [name, listener] of Object.entries({ ...heard, click: clicked })) element.addEventListener(name, listener);
  document.body.addEventListener("htmx:afterSettle", settled);
  element.dataset.rows = "links";
  show();

  return () => {
    for (const [name, listener] of Object.entries({ ...heard, click: clicked })) element.removeEventListener(name, listener);
    document.body.removeEventListener("htmx:afterSettle", settled);
  };
}
