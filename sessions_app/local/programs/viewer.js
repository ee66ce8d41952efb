// List what there is to look at, show the first, and let the image take the room that there is.

const area = document.querySelector(".fill");
const list = document.getElementById("files");

function size(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function add({ name, size: bytes }) {
  const row = document.createElement("li");
  const button = Object.assign(document.createElement("button"), { type: "button" });
  button.dataset.file = `home/${name.split("/").map(encodeURIComponent).join("/")}`;
  button.append(Object.assign(document.createElement("span"), { textContent: name }));
  button.append(Object.assign(document.createElement("small"), { textContent: size(bytes) }));
  row.append(button);
  list.append(row);
}

function show(button) {
  for (const other of document.querySelectorAll("[data-file]")) other.removeAttribute("aria-current");
  button.setAttribute("aria-current", "true");
  JS9.Load(new URL(button.dataset.file, location.href).href, { onload: () => JS9.SetZoom("toFit") });
}

function resize() {
  JS9.ResizeDisplay(Math.max(200, Math.floor(area.clientWidth)), Math.max(200, Math.floor(area.clientHeight)));
}

document.querySelector(".list").addEventListener("click", ({ target }) => {
  const button = target.closest("[data-file]");
  if (button) show(button);
});

const files = await (await fetch("files")).json();
files.forEach(add);
document.getElementById("none").hidden = files.length > 0;

function begin() {
  resize();
  new ResizeObserver(resize).observe(area);
  show(document.querySelector("[data-file]"));
}

if (JS9.inited) begin();
else $(document).on("JS9:ready", begin);
