"use strict";
// The search of a page that stands alone: shows what holds all the words, and marks them.
(() => {
  const form = document.getElementById("search");
  const box = document.getElementById("words");
  const found = document.getElementById("found");
  const unfold = document.getElementById("unfold");
  const items = [...document.querySelectorAll(".message, .event")];
  const lines = [...document.querySelectorAll(".contents li")];
  const groups = new Map([...document.querySelectorAll(".conversation")].map((each) => [each, []]));
  for (const item of items) groups.get(item.closest(".conversation"))?.push(item);
  const texts = new WeakMap();
  const opened = new Set();
  const MOST_MARKS = 2000;

  const textOf = (element) => {
    if (!texts.has(element)) texts.set(element, element.textContent.toLowerCase());
    return texts.get(element);
  };
  const holds = (element, words) => words.every((word) => textOf(element).includes(word));

  const show = (element, isShown) => {
    element.hidden = !isShown;
    return isShown;
  };

  const filter = (words) => {
    let count = 0;
    for (const [group, members] of groups) {
      const head = group.querySelector(".head");
      const isNamed = head !== null && holds(head, words);
      const shown = members.filter((each) => show(each, isNamed || holds(each, words))).length;
      count += shown;
      if (head) show(group, isNamed || shown > 0);
    }
    for (const line of lines) {
      const target = groups.size > 1 && document.getElementById(line.querySelector("a").hash.slice(1));
      const isShown = show(line, target ? !target.hidden : holds(line, words));
      if (!items.length) count += isShown;
    }
    for (const fold of document.querySelectorAll(".events")) {
      show(fold, fold.querySelector(".event:not([hidden])") !== null);
    }
    return count;
  };

  // What was found in a fold is unfolded, and folded again when the search is over.
  const unfoldFound = (words) => {
    for (const item of items) {
      if (item.hidden) continue;
      for (const fold of [item.closest(".events"), ...item.querySelectorAll("details")]) {
        if (fold && !fold.open && words.some((word) => textOf(fold).includes(word))) {
          fold.open = true;
          opened.add(fold);
        }
      }
    }
  };

  const marks = (words) => {
    const ranges = [];
    for (const item of [...items, ...lines]) {
      if (item.hidden || ranges.length > MOST_MARKS) continue;
      const walker = document.createTreeWalker(item, NodeFilter.SHOW_TEXT);
      while (walker.nextNode() && ranges.length <= MOST_MARKS) mark(walker.currentNode, words, ranges);
    }
    return ranges;
  };
  const mark = (node, words, ranges) => {
    const text = node.data.toLowerCase();
    if (text.length !== node.data.length) return;
    for (const word of words) {
      for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
        const range = new Range();
        range.setStart(node, at);
        range.setEnd(node, at + word.length);
        ranges.push(range);
      }
    }
  };

  const search = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const total = items.length || lines.length;
    const count = filter(words);
    for (const fold of opened) fold.open = false;
    opened.clear();
    if (words.length) unfoldFound(words);
    found.textContent = words.length ? `${count} of ${total} found` : "";
    if (window.CSS && CSS.highlights) CSS.highlights.set("found", new Highlight(...(words.length ? marks(words) : [])));
  };

  let timer = 0;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(search, 150);
  };
  const clear = () => {
    box.value = "";
    search();
  };

  // A link leads to its message, though it be filtered out or folded.
  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    if (target.closest("[hidden]")) clear();
    const fold = target.closest("details");
    if (fold) fold.open = true;
    target.scrollIntoView();
  };

  let isUnfolded = false;
  unfold.addEventListener("click", () => {
    isUnfolded = !isUnfolded;
    opened.clear();
    for (const fold of document.querySelectorAll("details")) fold.open = isUnfolded;
    unfold.textContent = isUnfolded ? "Fold all" : "Unfold all";
  });
  box.addEventListener("input", soon);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target === box || event.ctrlKey || event.metaKey || event.altKey;
    if (event.key === "/" && !isTyping) {
      event.preventDefault();
      box.focus();
    } else if (event.key === "Escape" && box.value) {
      clear();
    }
  });
  addEventListener("hashchange", reveal);
  form.hidden = false;
  unfold.hidden = !document.querySelector("details");
  reveal();
})();
