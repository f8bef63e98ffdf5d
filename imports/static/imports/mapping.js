// Shows some values of a column beside the field that it was chosen for.

const form = document.querySelector("#mapping-form");
const examples = JSON.parse(document.querySelector("#column-examples").textContent);

function show(select) {
  const list = form.querySelector(`[data-examples="${select.name}"]`);
  const items = (examples[select.value] ?? []).map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  });
  list.replaceChildren(...items);
  select.closest("td").querySelector("[data-why]")?.remove(); // it was the reason for another column
}

for (const list of form.querySelectorAll("[data-examples]")) {
  const select = form.elements[list.dataset.examples];
  select.addEventListener("change", () => show(select));
}
