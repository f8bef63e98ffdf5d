// The form of a new export: hides what the chosen format does not take, and says how much was picked.

const form = document.querySelector("#export-form");

function showWhatIsTaken() {
  const format = form.querySelector('input[name="format"]:checked');
  const taken = new Set((format?.dataset.takes ?? "").split(" "));
  const everything = new Set([...form.querySelectorAll('input[name="format"]')].flatMap((each) => each.dataset.takes.split(" ")));
  for (const row of form.querySelectorAll("[data-choice]")) {
    const name = row.dataset.choice;
    row.hidden = everything.has(name) && !taken.has(name);
  }
}

function sayHowMany(picker) {
  const count = picker.querySelectorAll("input:checked").length;
  picker.querySelector("[data-brief]").textContent = count ? `${count} chosen` : "all";
}

form.addEventListener("change", (event) => {
  if (event.target.name === "format") showWhatIsTaken();
  const picker = event.target.closest(".picker");
  if (picker) sayHowMany(picker);
});
showWhatIsTaken();
