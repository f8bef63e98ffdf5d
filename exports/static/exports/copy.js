/* Shows every button [data-copy="<text>"], which copies its text. Without this script the text can be
   selected in the field beside it. */

const SHOWN_MS = 2000;

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    const field = button.closest("tr").querySelector("input[readonly]"); // no clipboard without HTTPS
    field.select();
    if (!document.execCommand("copy")) return "Press Ctrl+C";
  }
  return "Copied";
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  const word = button.textContent;
  button.hidden = false;
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    button.textContent = await copy(button);
    setTimeout(() => { button.textContent = word; }, SHOWN_MS);
  });
}
