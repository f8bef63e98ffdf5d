/* Keeps every [data-job="<id>"] on the page as its job is: by WebSocket, by polling while there is none.

   Inside such an element: [data-field="name"] (or "counts.name") is filled, [data-show="name"] is
   hidden while that value is empty, <progress> is moved, [data-job-announce] says each change of
   state once (politely, for screen readers). A card ([data-job-card]) that was live when the page
   was made reloads the page once its job has ended, so that the server words the result.
   A snapshot that is older than what is shown (by its seq) is ignored. */

const POLL_SECONDS = 2;
const POLL_SECONDS_MAX = 30;
const RECONNECT_SECONDS_MAX = 60;
const RELOAD_AFTER_MS = 400;

const number = new Intl.NumberFormat("en");

function bytes(size) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let amount = size;
  for (const unit of units) {
    if (Math.abs(amount) < 1024) return unit === "B" ? `${Math.round(amount)} B` : `${amount.toFixed(1)} ${unit}`;
    amount /= 1024;
  }
  return `${amount.toFixed(1)} TiB`;
}

function seconds(duration) {
  if (duration < 1) return "under 1 s";
  const whole = Math.floor(duration);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${whole % 60} s` : `${whole % 60} s`;
}

const words = {
  percent: (value) => `${Math.round(value)} %`,
  bytesDone: bytes,
  bytesTotal: bytes,
  byteRate: bytes,
  etaSeconds: seconds,
};

function word(name, value) {
  if (value === null || value === undefined) return "";
  if (words[name]) return words[name](value);
  return typeof value === "number" ? number.format(Math.round(value)) : String(value);
}

function countLabel(name) {
  const spaced = name.replace(/([a-z])([A-Z])/g, "$1 $2").replaceAll("_", " ").toLowerCase();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

const valueOf = (snapshot, name) => name.split(".").reduce((part, key) => part?.[key], snapshot);

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function fillBadge(element, snapshot) {
  for (const name of [...element.classList]) if (name.startsWith("badge--")) element.classList.remove(name);
  element.classList.add(`badge--${snapshot.state}`);
  setText(element, snapshot.stateLabel);
}

function fillField(element, snapshot) {
  const name = element.dataset.field;
  if (name === "state") fillBadge(element, snapshot);
  else setText(element, word(name, valueOf(snapshot, name)));
}

function addMissingCounts(root, snapshot) {
  const list = root.querySelector("[data-job-counts]");
  if (!list) return;
  let place = list.querySelector(":scope > :not(:has([data-field]))");
  for (const name of Object.keys(snapshot.counts)) {
    const known = [...list.querySelectorAll("[data-field]")].some((field) => field.dataset.field === `counts.${name}`);
    if (known) continue;
    const fact = document.createElement("div");
    const label = document.createElement("dt");
    const figure = document.createElement("dd");
    label.textContent = countLabel(name);
    figure.dataset.field = `counts.${name}`;
    fact.append(label, figure);
    list.insertBefore(fact, place);
  }
}

function moveBar(bar, percent) {
  if (percent === null) bar.removeAttribute("value");
  else bar.value = percent;
}

function show(root, snapshot) {
  addMissingCounts(root, snapshot);
  for (const element of root.querySelectorAll("[data-field]")) fillField(element, snapshot);
  for (const element of root.querySelectorAll("[data-show]")) {
    const value = valueOf(snapshot, element.dataset.show);
    element.hidden = value === null || value === undefined || value === false || value === 0;
  }
  for (const bar of root.querySelectorAll("progress")) moveBar(bar, snapshot.percent);
  const announcement = root.querySelector("[data-job-announce]");
  if (announcement && root.dataset.jobState !== snapshot.state) {
    setText(announcement, `${snapshot.title}: ${snapshot.stateLabel}`);
  }
  root.dataset.jobState = snapshot.state;
}

const live = new Map(); // job id -> { seq, ended }

function elementsOf(id) {
  return document.querySelectorAll(`[data-job="${CSS.escape(id)}"]`);
}

function receive(snapshot) {
  const known = live.get(snapshot.id);
  if (!known || snapshot.seq < known.seq) return;
  known.seq = snapshot.seq;
  known.ended = snapshot.isFinished;
  const elements = elementsOf(snapshot.id);
  for (const element of elements) show(element, snapshot);
  document.dispatchEvent(new CustomEvent("job:snapshot", { detail: snapshot }));
  if (known.ended && [...elements].some((element) => "jobLive" in element.dataset)) reloadOnce();
}

let reloading = false;
function reloadOnce() {
  if (reloading) return;
  reloading = true;
  setTimeout(() => location.reload(), RELOAD_AFTER_MS);
}

const waiting = () => [...live].filter(([, job]) => !job.ended).map(([id]) => id);

/* Polling: every 2 s while the socket is closed, slower and slower while the server does not answer. */
let pollTimer = null;
let pollSeconds = POLL_SECONDS;

async function poll(id) {
  const answer = await fetch(`/api/v1/jobs/${id}/`, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (answer.ok) receive(await answer.json());
  else if ([401, 403, 404].includes(answer.status)) live.get(id).ended = true; // signed out, or not ours
  else throw new Error(`the server answered ${answer.status}`);
}

async function pollAll() {
  try {
    await Promise.all(waiting().map(poll));
    pollSeconds = POLL_SECONDS;
  } catch {
    pollSeconds = Math.min(pollSeconds * 2, POLL_SECONDS_MAX);
  }
  pollTimer = null;
  startPolling();
}

function startPolling() {
  if (pollTimer === null && !connected && waiting().length) pollTimer = setTimeout(pollAll, pollSeconds * 1000);
}

function stopPolling() {
  clearTimeout(pollTimer);
  pollTimer = null;
  pollSeconds = POLL_SECONDS;
}

/* The socket: one for the page; that of the only job, or that of all the user's jobs. */
let connected = false;
let tries = 0;

function socketAddress() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const ids = waiting();
  return `${scheme}//${location.host}/ws/jobs/${ids.length === 1 ? `${ids[0]}/` : ""}`;
}

function connect() {
  if (!waiting().length) return;
  const socket = new WebSocket(socketAddress());
  socket.addEventListener("open", () => {
    connected = true;
    tries = 0;
    stopPolling();
    for (const id of waiting()) poll(id).catch(() => {});
  });
  socket.addEventListener("message", (event) => {
    const message = JSON.parse(event.data);
    if (message.type === "snapshot") receive(message);
    else if (message.type === "snapshots") message.results.forEach(receive);
  });
  socket.addEventListener("close", () => {
    connected = false;
    startPolling();
    tries += 1;
    const pause = Math.min(2 ** tries, RECONNECT_SECONDS_MAX) * (0.5 + Math.random());
    setTimeout(connect, pause * 1000);
  });
}

for (const element of document.querySelectorAll("[data-job]")) {
  if ("jobCard" in element.dataset && !("jobLive" in element.dataset)) continue; // it has ended
  const seq = Number(element.dataset.jobSeq ?? 0);
  live.set(element.dataset.job, { seq, ended: false });
}
connect();
