// One socket for the whole tab, whatever is followed on it. The protocol is described in sessions_app/live/messages.py.
//
// follow(slug, what, follower) begins; the follower has
//   place()       what a `follow` says beside slug and what: for a log where the page is
//   take(message) a message of its topic
//   connection(state) "connecting", "open", "polling", "lost", "signed-out" or "many"
//   poll          polling.js' function, if the same can be had over HTTP
// and gets back { drawn(n), again(), leave() }.
//
// Where no socket comes through, the same messages are asked for over HTTP, and a socket is tried now and then.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;
const SILENCE = 45_000;
// A server that is there opens a socket in less than this; what swallows sockets says nothing at all.
const OPENING = 8_000;
// So long without a socket, and the page asks over HTTP.
const WITHOUT_SOCKET = 5_000;
const CLOSE_WHEN_IDLE = 1_000;
// What little is drawn is acknowledged now and then, much of it soon: the portal sends so much ahead.
const ACK_SOON = 60;
const ACK_LATE = 2_000;
const MUCH = 32 * 1024;
const NOT_SIGNED_IN = 4401;
const TOO_OLD = 4409;
const TOO_MANY = 4429;

const topics = new Map();
let socket = null;
let state = "connecting";
let heard = 0;
let failures = 0;
let waiting = 0;
let opening = 0;
let idle = 0;
let watchdog = 0;
let withoutSocket = 0;

export function follow(slug, what, follower) {
  const key = `${what} ${slug}`;
  const topic = { slug, what, follower, drawn: 0, acknowledged: 0, timer: 0, polling: null };
  topics.set(key, topic);
  clearTimeout(idle);
  if (isOpen()) ask(topic);
  else if (!socket && !waiting) open();
  if (state === "polling") startPolling(topic);
  follower.connection(state);
  return {
    drawn: (n) => acknowledge(topic, n),
    again: () => { if (isOpen()) ask(topic); },
    leave: () => leave(key, topic),
  };
}

function leave(key, topic) {
  clearTimeout(topic.timer);
  topic.polling?.abort();
  // A swap may have put another element for the same topic in place already.
  if (topics.get(key) !== topic) return;
  topics.delete(key);
  if (isOpen()) say({ t: "leave", s: topic.slug, w: topic.what });
  if (!topics.size) idle = setTimeout(shut, CLOSE_WHEN_IDLE);
}

function ask(topic) {
  topic.drawn = topic.acknowledged = 0;
  say({ t: "follow", s: topic.slug, w: topic.what, ...topic.follower.place() });
}

// Not more often than the server is willing to listen: the newest number says it all.
function acknowledge(topic, n) {
  topic.drawn = Math.max(topic.drawn, n);
  const isMuch = topic.drawn - topic.acknowledged > MUCH;
  if (topic.timer && (topic.isSoon || !isMuch)) return;
  clearTimeout(topic.timer);
  topic.isSoon = isMuch;
  topic.timer = setTimeout(() => {
    topic.timer = 0;
    if (topic.drawn <= topic.acknowledged || !isOpen()) return;
    topic.acknowledged = topic.drawn;
    say({ t: "ack", s: topic.slug, w: topic.what, n: topic.drawn });
  }, isMuch ? ACK_SOON : ACK_LATE);
}

function open() {
  clearTimeout(waiting);
  waiting = 0;
  const address = new URL("/ws/", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const mine = (socket = new WebSocket(address));
  heard = Date.now();
  mine.addEventListener("open", () => { if (socket === mine) opened(); });
  mine.addEventListener("message", (event) => { if (socket === mine) take(JSON.parse(event.data)); });
  mine.addEventListener("close", (event) => { if (socket === mine) lost(event.code); });
  opening = setTimeout(() => { if (socket === mine && !isOpen()) drop(); }, OPENING);
  watchdog ||= setInterval(watch, 5_000);
  withoutSocket ||= setTimeout(pollInstead, WITHOUT_SOCKET);
}

function opened() {
  clearTimeout(opening);
  clearTimeout(withoutSocket);
  withoutSocket = 0;
  heard = Date.now();
  stopPolling();
  become("open");
  for (const topic of topics.values()) ask(topic);
}

function take(message) {
  heard = Date.now();
  failures = 0;
  if (message.t === "ping") { say({ t: "pong" }); return; }
  if (message.t === "pong") return;
  const what = message.w ?? (message.t === "events" || message.t === "session" ? "events" : "log");
  topics.get(`${what} ${message.s}`)?.follower.take(message);
}

function lost(code) {
  socket = null;
  clearTimeout(opening);
  if (code === NOT_SIGNED_IN) { signedOut(); return; }
  if (!topics.size) { stopWatching(); return; }
  failures += 1;
  if (state !== "polling") become(code === TOO_MANY ? "many" : state === "connecting" ? "connecting" : "lost");
  withoutSocket ||= setTimeout(pollInstead, WITHOUT_SOCKET);
  const longest = code === TOO_MANY ? LONGEST_PAUSE : Math.min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE);
  waiting = setTimeout(open, code === TOO_OLD ? 0 : longest * (0.5 + Math.random() / 2));
}

function signedOut() {
  stopWatching();
  stopPolling();
  become("signed-out");
  // What looks again is led to sign in, and back; a page with a form keeps what was typed.
  document.body.dispatchEvent(new CustomEvent("sessions-changed"));
}

// Over HTTP.

function pollInstead() {
  if (isOpen() || state === "many" || state === "signed-out") return;
  for (const topic of topics.values()) startPolling(topic);
}

function startPolling(topic) {
  topic.polling ??= topic.follower.poll?.(topic, {
    take: (message) => { if (!isOpen()) topic.follower.take(message); },
    answered: () => { if (!isOpen() && state !== "polling") become("polling"); },
    failed: () => { if (!isOpen() && state === "polling") become("lost"); },
    signedOut,
  });
}

function stopPolling() {
  clearTimeout(withoutSocket);
  withoutSocket = 0;
  for (const topic of topics.values()) {
    topic.polling?.abort();
    topic.polling = null;
  }
}

// A connection can be dead without anybody saying so: after a sleep, behind a proxy.
function watch() {
  if (isOpen() && Date.now() - heard > SILENCE) drop();
}

function drop() {
  const dead = socket;
  socket = null;
  dead?.close();
  lost(0);
}

function shut() {
  const mine = socket;
  socket = null;
  clearTimeout(waiting);
  waiting = 0;
  stopWatching();
  stopPolling();
  mine?.close(1000);
}

function stopWatching() {
  clearInterval(watchdog);
  clearTimeout(opening);
  watchdog = 0;
}

function become(next) {
  state = next;
  for (const topic of topics.values()) topic.follower.connection(next);
}

function isOpen() {
  return socket?.readyState === WebSocket.OPEN;
}

function say(message) {
  if (isOpen()) socket.send(JSON.stringify(message));
}

// Somebody is looking again, or the network is back: find out now.
function hurry() {
  if (document.hidden || !topics.size || state === "signed-out") return;
  if (waiting) { open(); return; }
  if (!isOpen()) return;
  const asked = Date.now();
  say({ t: "ping" });
  setTimeout(() => { if (socket && heard < asked) drop(); }, 5_000);
}

window.addEventListener("pagehide", shut);
window.addEventListener("pageshow", (event) => { if (event.persisted && topics.size && !socket) open(); });
window.addEventListener("online", hurry);
document.addEventListener("visibilitychange", hurry);
