// One page at a time, by the address behind #: a page, or a page, ! and an id in it.
(() => {
  const pages = [...document.querySelectorAll(".page")];
  const begun = new Set();
  // What a page's script takes for its document: its own section, in which ids have their page before them.
  const scoped = (page) => new Proxy(document, {
    get(all, key) {
      const own = (selector) => selector.replace(/#([\w-]+)/g, (_, id) => `[id="${CSS.escape(page.id)}!${id}"]`);
      if (key === "getElementById") return (id) => all.getElementById(`${page.id}!${id}`);
      if (key === "querySelector" || key === "querySelectorAll") return (selector) => page[key](own(selector));
      if (key === "getElementsByClassName" || key === "getElementsByTagName") return (name) => page[key](name);
      if (key === "body" || key === "documentElement") return page;
      const value = all[key];
      return typeof value === "function" ? value.bind(all) : value;
    },
    set(all, key, value) { all[key] = value; return true; },
  });
  const find = (name) => {
    const at = document.getElementById(name);
    if (at) return at;
    try { return document.getElementById(decodeURIComponent(name)); } catch { return null; }
  };
  const show = () => {
    const at = find(location.hash.slice(1)) || find(location.hash.slice(1).split("!")[0]);
    const page = (at && at.closest(".page")) || pages.find((page) => page.classList.contains("shown")) || pages[0];
    for (const other of pages) other.classList.toggle("shown", other === page);
    for (const link of document.querySelectorAll(".rt-links a")) {
      if (link.getAttribute("href") === `#${page.id}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (!begun.has(page)) {
      begun.add(page);
      for (const number of SCRIPTS_OF[decodeURIComponent(page.id)] || []) SCRIPTS[number].call(window, scoped(page));
    }
    for (let part = at; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    if (!at) return;
    if (at === page) { scrollTo(0, 0); page.focus({ preventScroll: true }); } else at.scrollIntoView();
  };
  document.documentElement.classList.add("one");
  addEventListener("hashchange", show);
  show();
})();
