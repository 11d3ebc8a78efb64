// A link into a folded part opens it; older browsers do not by themselves.
(() => {
  const open = () => {
    let id = location.hash.slice(1);
    let at = document.getElementById(id);
    if (!at) try { at = document.getElementById(decodeURIComponent(id)); } catch { return; }
    if (!at) return;
    for (let part = at; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    at.scrollIntoView();
  };
  addEventListener("hashchange", open);
  open();
})();
