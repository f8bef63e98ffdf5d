/* Puts a notice away without leaving the page. Without this script the form does it, and the page comes anew. */

const region = document.querySelector("[data-notices]");

async function putAway(form) {
  const answer = await fetch(form.action, { method: "POST", body: new FormData(form), redirect: "manual" });
  if (answer.type !== "opaqueredirect") throw new Error(`the server answered ${answer.status}`);
  const next = form.closest("li").nextElementSibling?.querySelector("button");
  form.closest("li").remove();
  if (next) next.focus();
  else document.querySelector("#content").focus();
  if (!region.querySelector("li")) region.remove();
}

region.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.closest("li") || region.querySelector(".notices__more")) return; // others move up: the page comes anew
  event.preventDefault();
  putAway(form).catch(() => form.submit());
});
