// Show the desktop: connect with the password of the link, and keep trying when the connection is lost.

import RFB from "./novnc/core/rfb.js";

const LONGEST_WAIT = 8000;
const card = document.querySelector(".card");
const status = document.querySelector("[role=status]");
const form = document.querySelector("form");
const asked = new URLSearchParams(location.search);

// The password leaves the address; this tab keeps it for a reload.
if (asked.has("password")) {
  sessionStorage.setItem(location.pathname, asked.get("password"));
  history.replaceState(null, "", location.pathname);
}
const path = asked.get("path") ?? location.pathname.slice(1);

let wait = 500;

function say(text, ask = false) {
  status.textContent = text;
  form.hidden = !ask;
  card.hidden = false;
  if (ask) form.password.focus();
}

function connect() {
  const password = sessionStorage.getItem(location.pathname);
  if (!password) {
    say("This desktop needs its password, which the portal's link brings along.", true);
    return;
  }
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const screen = new RFB(document.getElementById("screen"), `${scheme}://${location.host}/${path}`, { credentials: { password } });
  let refused = false;
  screen.resizeSession = true;
  screen.scaleViewport = true;
  screen.background = "#101418";
  screen.addEventListener("connect", () => { wait = 500; card.hidden = true; screen.focus(); });
  screen.addEventListener("clipboard", ({ detail }) => { navigator.clipboard?.writeText(detail.text).catch(() => {}); });
  screen.addEventListener("securityfailure", () => { refused = true; });
  screen.addEventListener("disconnect", () => {
    if (refused) {
      sessionStorage.removeItem(location.pathname);
      say("That password was refused.", true);
    } else {
      say("The connection is lost; trying again …");
      setTimeout(connect, wait);
      wait = Math.min(wait * 2, LONGEST_WAIT);
    }
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(location.pathname, form.password.value);
  say("Connecting …");
  connect();
});
connect();
