// Shows a session's events as they come, and tells the page when the session's state changes.

import { follow } from "./live.js";
import { poll } from "./polling.js";
import { span } from "./times.js";

const CONNECTION = {
  connecting: "connecting",
  lost: "reconnecting",
  blocked: "live events do not come through to this browser",
  "signed-out": "you are signed out",
  many: "waiting: too many tabs are open",
};

export function attach(element) {
  const list = element.querySelector("[data-events-list]");
  const empty = element.querySelector("[data-events-empty]");
  const status = element.querySelector("[data-events-status]");
  let known = element.dataset.state;
  let reason = null;
  let said = { state: "live", text: "" };
  let connected = "connecting";

  function say() {
    const words = connected === "open" ? said.text || said.state : CONNECTION[connected];
    if (status.textContent !== words) status.textContent = words;
  }

  function show(rows) {
    list.replaceChildren(...rows.map(row));
    empty.hidden = rows.length > 0;
  }

  // The page was made with a state of its own; only what differs from it is news.
  function learn(message) {
    const changed = message.state !== known || (reason !== null && message.reason !== reason);
    known = message.state;
    reason = message.reason;
    if (!changed) return;
    const detail = { slug: message.s, state: message.state, reason: message.reason };
    document.dispatchEvent(new CustomEvent("canfar:session", { detail }));
  }

  const topic = follow(element.dataset.slug, "events", {
    poll,
    place: () => ({}),
    connection: (state) => { connected = state; say(); },
    take(message) {
      if (message.t === "events") { show(message.rows); topic.drawn(message.n); }
      else if (message.t === "session") learn(message);
      else if (message.t === "state") { said = message; say(); }
      else if (message.t === "denied") { said = { state: "trouble", text: "no events" }; say(); }
    },
  });
  return () => topic.leave();
}

function row(event) {
  const item = make("li", `events__row${event.type === "Warning" ? " events__row--warning" : ""}`);
  const head = make("p", "events__head");
  if (event.type === "Warning") head.append(make("span", "events__warning", "Warning"), " ");
  head.append(make("span", "events__reason", event.reason));
  if (event.count > 1) head.append(" ", make("span", "events__count", `${event.count} times`));
  head.append(" ", ...when(event.last ?? event.first));
  item.append(head, make("p", "events__message", event.message));
  return item;
}

function when(moment) {
  if (!moment) return [];
  const time = make("time", "", span((Date.now() - Date.parse(moment)) / 1000));
  time.dateTime = moment;
  time.title = `${moment.slice(0, 19).replace("T", " ")} UTC`;
  // times.js keeps it counting.
  time.dataset.age = "";
  const words = make("span", "events__when");
  words.append(time, " ago");
  return [words];
}

function make(tag, name, text = "") {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text) element.textContent = text;
  return element;
}
