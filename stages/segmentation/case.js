// The viewer of a case page: one slice at a time, and which outlines are drawn. The page has it inside; without it, and on paper, a
// few slices stand side by side.
(function () {
  "use strict";
  const root = document.documentElement;
  const slices = Array.from(document.querySelectorAll(".slice"));
  const range = document.getElementById("position");
  const place = document.getElementById("place");

  function show(index) {
    const at = Math.min(Math.max(index, 0), slices.length - 1);
    slices.forEach((slice, number) => slice.classList.toggle("now", number === at));
    range.value = String(at + 1);
    const words = "slice " + (at + 1) + " of " + slices.length;
    range.setAttribute("aria-valuetext", words);
    place.textContent = words;
  }

  function step(by) {
    show(Number(range.value) - 1 + by);
  }

  function drawn() {
    const off = new Set(Array.from(document.querySelectorAll("[data-shows]")).filter((box) => !box.checked).map((box) => box.dataset.shows));
    document.querySelectorAll(".slice path").forEach((path) => {
      const hidden = Array.from(path.classList).some((name) => off.has(name));
      path.style.display = hidden ? "none" : "";
    });
  }

  root.classList.add("js");
  range.addEventListener("input", () => show(Number(range.value) - 1));
  document.getElementById("previous").addEventListener("click", () => step(-1));
  document.getElementById("next").addEventListener("click", () => step(1));
  document.querySelectorAll("[data-shows]").forEach((box) => box.addEventListener("change", drawn));
  // the range has keys of its own; elsewhere on the page arrows to the side do the same, but for what scrolls by them
  document.addEventListener("keydown", (event) => {
    const busy = event.target === range || event.target.closest(".scroll") || event.altKey || event.ctrlKey || event.metaKey;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by && !busy) {
      event.preventDefault();
      step(by);
    }
  });
  window.addEventListener("pageshow", () => {
    drawn();
    show(Number(range.value) - 1);
  });
  show(Number(range.getAttribute("value")) - 1);
})();
