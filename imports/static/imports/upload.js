// Sends the chosen files in parts (tus 1.0) and makes a draft or an import of them.
// Works on #upload-form of imports/new.html; needs window.tus (vendored tus-js-client).

import { filesOfDrop, fitsFolder } from "./files.js";
import { Meter, humanBytes, humanSeconds } from "./meter.js";

const RETRY_DELAYS = [0, 500, 1000, 2000, 4000, 8000, 15000, 30000, 60000];
const PARALLEL = 2;
const REFUSED_SHOWN = 20;
const ASKED_MS = 3000;

const form = document.querySelector("#upload-form");
const byId = (id) => form.querySelector(`#${id}`);
const settings = form.dataset;
const accepted = settings.accepted.split(",");
const maxBytes = Number(settings.maxBytes);
const csrfToken = form.querySelector("[name=csrfmiddlewaretoken]").value;

/** @type {{file: File, path: string, row: HTMLElement, bar: HTMLProgressElement, note: HTMLElement, sent: number, id: string}[]} */
const chosen = [];
let idempotencyKey = newKey();
let running = false;
const starters = form.querySelectorAll("button[name=then]");

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function say(text) {
  byId("upload-status").textContent = text;
}

function complain(message, hint = "") {
  const box = byId("upload-error");
  box.querySelector("[data-message]").textContent = message;
  box.querySelector("[data-hint]").textContent = hint;
  box.hidden = false;
}

function reasonAgainst(file, path) {
  if (file.size === 0) return "it is empty";
  if (file.size > maxBytes) return `it is larger than ${humanBytes(maxBytes)}`;
  if (!accepted.some((ending) => path.toLowerCase().endsWith(ending))) {
    return "it is not a kind of file that can be imported";
  }
  return chosen.some((one) => one.path === path) ? "it is already in the list" : "";
}

function add(found, fromFolder = false) {
  byId("upload-error").hidden = true;
  const refused = [];
  let leftOut = 0;
  for (const { file, path } of found) {
    if (fromFolder && !fitsFolder(path)) { leftOut += 1; continue; }
    const reason = reasonAgainst(file, path);
    if (reason) refused.push(`${path}: ${reason}`);
    else chosen.push(newEntry(file, path));
  }
  if (refused.length) {
    const more = refused.length > REFUSED_SHOWN ? ` … and ${refused.length - REFUSED_SHOWN} more` : "";
    complain(`Not taken: ${refused.slice(0, REFUSED_SHOWN).join("; ")}${more}.`, settings.acceptedWords);
  }
  show(leftOut);
}

function newEntry(file, path) {
  const row = byId("upload-row").content.firstElementChild.cloneNode(true);
  const part = (name) => row.querySelector(`[data-part=${name}]`);
  part("name").textContent = path;
  part("size").textContent = humanBytes(file.size);
  const entry = { file, path, row, bar: part("bar"), note: part("note"), sent: 0, id: "" };
  entry.bar.setAttribute("aria-label", `Upload of ${path}`);
  part("remove").setAttribute("aria-label", `Remove ${path}`);
  part("remove").addEventListener("click", () => remove(entry));
  byId("upload-list").append(row);
  return entry;
}

function remove(entry) {
  if (running) return;
  chosen.splice(chosen.indexOf(entry), 1);
  entry.row.remove();
  show();
  byId("upload-files").focus();
}

function show(leftOut = 0) {
  const total = chosen.reduce((sum, one) => sum + one.file.size, 0);
  byId("upload-chosen").hidden = chosen.length === 0;
  for (const button of starters) button.disabled = running || chosen.length === 0;
  const files = `${chosen.length} ${chosen.length === 1 ? "file" : "files"}, ${humanBytes(total)}`;
  const left = leftOut ? ` ${leftOut} other files of the folder are left out: they are of other kinds.` : "";
  say(chosen.length ? `${files} chosen.${left}` : `Nothing chosen yet.${left}`);
}

async function run(then) {
  running = true;
  form.classList.add("is-uploading");
  byId("upload-error").hidden = true;
  show();
  const total = chosen.reduce((sum, one) => sum + one.file.size, 0);
  const meter = new Meter(total, chosen.reduce((sum, one) => sum + one.sent, 0));
  byId("upload-progress").hidden = false;
  try {
    await sendAll((entry) => tell(entry, meter));
    say("All files are on the server. One moment…");
    if (then === "import") await createImport();
    else createDraft();
  } catch (error) {
    complain(error.message, error.hint ?? "");
    say("Stopped. What was sent is kept: start again to continue where it stopped.");
    running = false;
    form.classList.remove("is-uploading");
    for (const button of starters) button.disabled = false;
  }
}

function tell(entry, meter) {
  entry.bar.max = entry.file.size;
  entry.bar.value = entry.sent;
  const done = chosen.reduce((sum, one) => sum + one.sent, 0);
  const { rate, left } = meter.at(done);
  const bar = byId("upload-progress");
  bar.max = meter.total;
  bar.value = done;
  const facts = [`${humanBytes(done)} of ${humanBytes(meter.total)} sent`];
  if (rate) facts.push(`${humanBytes(rate)}/s`, `${humanSeconds(left)} left`);
  say(facts.join(" · "));
}

async function sendAll(onProgress) {
  const waiting = chosen.filter((entry) => !entry.id);
  const worker = async () => {
    for (let entry = waiting.shift(); entry; entry = waiting.shift()) await send(entry, onProgress);
  };
  try {
    await Promise.all(Array.from({ length: PARALLEL }, worker));
  } catch (error) {
    waiting.length = 0;
    throw error;
  }
}

function send(entry, onProgress) {
  return new Promise((resolve, reject) => {
    const upload = new window.tus.Upload(entry.file, {
      endpoint: settings.endpoint,
      chunkSize: Number(settings.partBytes),
      retryDelays: RETRY_DELAYS,
      metadata: { filename: entry.file.name, relativePath: entry.path },
      headers: { "X-CSRFToken": csrfToken },
      removeFingerprintOnSuccess: true,
      fingerprint: (file) => Promise.resolve(
        ["claudelens", entry.path, file.size, file.lastModified].join("|"),
      ),
      onProgress: (sent) => { entry.sent = sent; entry.note.textContent = ""; onProgress(entry); },
      onShouldRetry: (error) => mayRetry(error, entry),
      onError: (error) => reject(explain(error, entry)),
      onSuccess: () => {
        entry.sent = entry.file.size;
        entry.id = upload.url.replace(/\/$/, "").split("/").pop();
        entry.note.textContent = "sent";
        onProgress(entry);
        resolve(tellIfKnown(entry));
      },
    });
    upload.findPreviousUploads().then((before) => {
      if (before.length) upload.resumeFromPreviousUpload(before[0]);
      upload.start();
    }, reject);
  });
}

/** Says beside a sent file that its very bytes are known already. It may be imported again all the same. */
async function tellIfKnown(entry) {
  const told = await fetch(`${settings.endpoint}${entry.id}/`, {
    headers: { Accept: "application/json" },
    signal: AbortSignal.timeout(ASKED_MS),
  }).then((answer) => (answer.ok ? answer.json() : null)).catch(() => null);
  if (!told) return; // sent is what it says already
  const { importedBefore, held } = told;
  if (importedBefore) {
    const day = new Date(importedBefore.finishedAt).toLocaleDateString(undefined, { dateStyle: "medium" });
    entry.note.textContent = `sent · imported on ${day}, 0 new expected`;
  } else if (held) {
    entry.note.textContent = "sent · held already, 0 new expected";
  }
}

function mayRetry(error, entry) {
  const status = error.originalResponse?.getStatus() ?? 0;
  const hopeless = status === 507 || (status >= 400 && status < 500 && ![409, 423, 429, 460].includes(status));
  if (!hopeless) entry.note.textContent = status === 429 ? "too much at once, trying again…" : "connection lost, trying again…";
  return !hopeless;
}

function explain(error, entry) {
  const problem = parsed(error.originalResponse?.getBody());
  entry.note.textContent = "not sent";
  if (problem) return Object.assign(new Error(problem.detail), { hint: problem.hint });
  const hint = "Check the network, then start again: it continues where it stopped.";
  return Object.assign(new Error(`“${entry.path}” could not be sent: the server did not answer.`), { hint });
}

function parsed(text) {
  try {
    const value = JSON.parse(text);
    return value && value.detail ? value : null;
  } catch {
    return null;
  }
}

/** Sends the form with the uploads' ids in the place of the files: the answer is the draft's first page. */
function createDraft() {
  for (const input of form.querySelectorAll("input[type=file]")) input.disabled = true;
  const ids = document.createElement("input");
  Object.assign(ids, { type: "hidden", name: "upload", value: chosen.map((entry) => entry.id).join(" ") });
  form.append(ids);
  running = false;
  form.submit();
}

async function createImport() {
  const response = await fetch(settings.importsUrl, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "X-CSRFToken": csrfToken,
      "Idempotency-Key": idempotencyKey,
    },
    body: JSON.stringify({ uploads: chosen.map((entry) => entry.id) }),
  });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) {
    idempotencyKey = newKey();
    throw Object.assign(new Error(body.detail ?? `The server answered ${response.status}.`), { hint: body.hint });
  }
  running = false;
  window.location.assign(body.url);
}

function listenToDrops(zone) {
  const over = (event, on) => {
    event.preventDefault();
    zone.classList.toggle("dropzone--over", on);
  };
  zone.addEventListener("dragover", (event) => over(event, true));
  zone.addEventListener("dragleave", (event) => over(event, false));
  zone.addEventListener("drop", async (event) => {
    over(event, false);
    if (running) return;
    const { found, hadFolder } = await filesOfDrop(event.dataTransfer);
    add(found, hadFolder);
  });
}

function listenToInput(input, isFolder) {
  input.addEventListener("change", () => {
    const found = Array.from(input.files, (file) => ({ file, path: file.webkitRelativePath || file.name }));
    add(found, isFolder);
    input.value = "";
  });
}

listenToInput(byId("upload-files"), false);
listenToInput(byId("upload-folder"), true);
listenToDrops(byId("upload-zone"));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!running && chosen.length) run(event.submitter?.value);
});
window.addEventListener("beforeunload", (event) => {
  if (running) event.preventDefault();
});
form.classList.add("is-scripted");
for (const element of form.querySelectorAll("[data-needs-script]")) element.hidden = false;
show();
