// Says below the form of a new export what it would come to, a moment after the last change.
// Without it the button "Count matching messages" says the same.

const WAIT = 500;
const place = document.querySelector("[data-estimate-url]");
const form = place.closest("form") ?? document.querySelector("#export-form");

let timer;
let asking = new AbortController();

async function ask() {
  asking.abort();
  asking = new AbortController();
  place.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(place.dataset.estimateUrl, {
      method: "POST",
      body: new FormData(form),
      headers: { "X-Requested-With": "fetch" },
      signal: asking.signal,
    });
    // A page instead of a piece of one: signed out meanwhile, or the server is away. Then nothing is said.
    show(answer.ok && !answer.redirected ? await answer.text() : "");
  } catch (error) {
    if (error.name !== "AbortError") show("");
  }
}

function show(html) {
  const wasOpen = place.querySelector("details")?.open;
  place.innerHTML = html;
  place.removeAttribute("aria-busy");
  const sample = place.querySelector("details");
  if (sample && wasOpen) sample.open = true;
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(ask, WAIT);
}

form.addEventListener("input", later);
form.addEventListener("change", later);
ask();
