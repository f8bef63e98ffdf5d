/* Shows every <time data-local datetime="…"> in the reader's own zone and language; UTC stays in its title.
   Without JavaScript the page keeps the UTC text that the server wrote. */
const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const formats = { clock, day };

export function localise(root = document) {
  for (const element of root.querySelectorAll("time[data-local]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    const format = formats[element.dataset.local] ?? absolute;
    if (!element.title) element.title = `${moment.toISOString().slice(0, 19).replace("T", " ")} UTC`;
    const text = format.format(moment);
    if (element.textContent !== text) element.textContent = text;
  }
}

localise();
new MutationObserver((changes) => {
  for (const change of changes) {
    if (change.type === "attributes") localise(change.target.parentNode ?? document);
    else if ([...change.addedNodes].some((node) => node.nodeType === Node.ELEMENT_NODE)) localise(change.target);
  }
}).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["datetime"] });
