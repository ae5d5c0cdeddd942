// The grid of items: keys, and a row's page as a drawer. Everything here has a link that does the same without it.
(() => {
  "use strict";
  const one = (selector, root = document) => root.querySelector(selector);
  const rows = () => [...document.querySelectorAll("tr[data-row]")];
  const drawer = () => one("#drawer");
  const isOpen = () => drawer() && !drawer().hidden;
  let place = one("tr.here")?.id;   // of the row; polling puts new rows above it

  const mark = (row) => {
    one("tr.here")?.classList.remove("here");
    row?.classList.add("here");
    place = row?.id;
  };

  function move(by) {
    const list = rows();
    const at = list.findIndex((row) => row.id === place);
    const next = list[Math.max(0, Math.min(list.length - 1, at < 0 ? 0 : at + by))];
    if (!next) return;
    mark(next);
    next.scrollIntoView({ block: "nearest" });
    const link = one("[data-open]", next);
    if (isOpen()) open(link.href);
    else link.focus({ preventScroll: true });
  }

  async function open(address) {
    try {
      const answer = await fetch(address, { headers: { "HX-Request": "true" } });
      if (!answer.ok) throw new Error(answer.status);
      drawer().innerHTML = await answer.text();   // ours: escaped by the server, and the policy lets no script in
      drawer().hidden = false;
      mark(document.getElementById(`row-${address.match(/items\/(\d+)/)?.[1]}`));
      drawer().focus({ preventScroll: true });
      drawer().scrollTop = 0;
      dispatchEvent(new Event("legwork:page"));
    } catch {
      location.href = address;
    }
  }

  function close() {
    if (!isOpen()) return false;
    drawer().hidden = true;
    drawer().replaceChildren();
    one("[data-open]", document.getElementById(place) || document)?.focus();
    return true;
  }

  // Chosen rows: their count, all at once, and copying them without leaving the page.
  const boxes = () => [...document.querySelectorAll(".grid-form tbody [name=row]")];
  function count() {
    const all = boxes(), chosen = all.filter((box) => box.checked).length;
    const words = one("[data-chosen]"), whole = one("[data-choose-all]");
    if (words) words.textContent = `${chosen} chosen`;
    if (whole) {
      whole.hidden = false;
      whole.checked = chosen > 0 && chosen === all.length;
      whole.indeterminate = chosen > 0 && chosen < all.length;
    }
  }
  async function copy(form, button) {
    const answer = await fetch(`${form.action}.tsv?${new URLSearchParams(boxes().filter((box) => box.checked).map((box) => ["row", box.value]))}`);
    await navigator.clipboard.writeText(await answer.text());
    button.lastChild.textContent = "Copied";
  }
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-choose-all]")) boxes().forEach((box) => { box.checked = event.target.checked; });
    if (event.target.closest(".grid-form")) count();
  });
  document.addEventListener("reset", () => setTimeout(count));
  document.addEventListener("submit", (event) => {
    if (!event.submitter?.matches("[data-copy-rows]") || !navigator.clipboard) return;
    event.preventDefault();
    copy(event.target, event.submitter).catch(() => event.target.submit());
  });
  count();

  document.addEventListener("click", (event) => {
    document.querySelectorAll("details.menu[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
    if (!drawer() || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const link = event.target.closest("[data-open], #drawer [data-prev], #drawer [data-next]");
    if (link) { event.preventDefault(); open(link.href); }
    if (event.target.closest("[data-close]") && close()) event.preventDefault();
  });
  document.addEventListener("htmx:after:swap", () => { if (place) document.getElementById(place)?.classList.add("here"); count(); });
  // The queue of a review: the current text, its buttons by key, and the last decision undone.
  function review(key) {
    const texts = [...document.querySelectorAll("[data-review] > li")];
    if (key === "u") { one("#verdicts [action$='/undo'] button")?.click(); return !!one("#verdicts"); }
    if (!texts.length) return false;
    const at = Math.max(texts.findIndex((text) => text.classList.contains("here")), 0);
    const press = { a: '[name=verdict][value=allow]', b: '[name=verdict][value=block]' }[key];
    if (press && one(press, texts[at])) one(press, texts[at]).click();
    else if (key === "j" || key === "k") {
      texts[at].classList.remove("here");
      const next = texts[Math.max(0, Math.min(texts.length - 1, at + (key === "j" ? 1 : -1)))];
      next.classList.add("here");
      next.focus({ preventScroll: true });
      next.scrollIntoView({ block: "nearest" });
    } else return false;
    return true;
  }
  one("[data-review] > li")?.classList.add("here");

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const menu = one("details.menu[open]");
      if (menu) { menu.open = false; one("summary", menu).focus(); } else close();
      return;
    }
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (typing || event.metaKey || event.ctrlKey || event.altKey || localStorage.getItem("keys") === "off" || one("dialog[open]")) return;
    const go = { j: "[data-next]", k: "[data-prev]", g: "[data-back]" }[event.key];
    if (review(event.key)) { event.preventDefault(); return; }
    if (event.key === "x" && place) {
      const box = one("[name=row]", document.getElementById(place));
      if (box) { box.checked = !box.checked; count(); }
    } else if (rows().length && (event.key === "j" || event.key === "k")) move(event.key === "j" ? 1 : -1);
    else if (go && one(go)) one(go).click();
    else return;
    event.preventDefault();
  });
})();
