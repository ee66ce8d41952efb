// Keeps what a person types while an answer of the portal is on its way: what changed since it was asked for, and
// the field that has the focus, stay as they are, whatever the answer says of them.

// Controls that are no part of what is sent, such as a search box, are known by what they are for.
const nameOf = (control) => control.name || control.dataset.filterList || "";
const controlsOf = (root) => root.querySelectorAll("input, select, textarea");
const isChoice = (control) => control.type === "radio" || control.type === "checkbox";

// Returns what each control holds, by its name.
export function valuesOf(root) {
  const values = new Map();
  for (const control of controlsOf(root)) {
    const name = nameOf(control);
    if (!name || control.type === "hidden") continue;
    if (!isChoice(control)) values.set(name, control.value);
    else if (control.checked || !values.has(name)) values.set(name, control.checked ? control.value : "");
  }
  return values;
}

// Returns the answer as it is to be shown, with what is newer in the page than the `before` it was asked with.
export function withNewer(answer, root, before) {
  const page = new DOMParser().parseFromString(answer, "text/html");
  const now = valuesOf(root);
  const focused = root.contains(document.activeElement) ? nameOf(document.activeElement) : "";
  const isText = focused && !isChoice(document.activeElement);
  for (const control of controlsOf(page)) {
    const name = nameOf(control);
    const isNewer = now.has(name) && (now.get(name) !== before.get(name) || control.dataset.filterList || (isText && name === focused));
    if (isNewer) hold(control, now.get(name), page);
  }
  for (const details of page.querySelectorAll("details")) keepOpen(details, root);
  for (const field of page.querySelectorAll("textarea")) {
    // A parser takes the first line break of a text away.
    if (field.textContent.startsWith("\n")) field.textContent = `\n${field.textContent}`;
  }
  return page.body.innerHTML;
}

function hold(control, value, page) {
  if (isChoice(control)) {
    const all = [...page.querySelectorAll(`input[name="${CSS.escape(control.name)}"]`)];
    // What was chosen from a list that is no longer there is not chosen any more.
    if (value === "" || all.some((each) => each.value === value)) control.toggleAttribute("checked", control.value === value);
  } else if (control.tagName === "SELECT") {
    const options = [...control.options];
    if (!options.some((each) => each.value === value)) return;
    for (const option of options) option.toggleAttribute("selected", option.value === value);
  } else if (control.tagName === "TEXTAREA") control.textContent = value;
  else if (control.type !== "hidden") control.setAttribute("value", value);
}

function keepOpen(details, root) {
  const title = details.querySelector("summary")?.textContent;
  for (const present of root.querySelectorAll("details[open]")) {
    if (present.querySelector("summary")?.textContent === title) details.setAttribute("open", "");
  }
}
