// Enhancements of all pages. Everything also works without script.
(() => {
  "use strict";
  const root = document.documentElement;
  const each = (selector, act, within = document) => within.querySelectorAll(selector).forEach(act);

  // Tell the server the viewer's time zone. It applies from the next page on; a first page with times is loaded again.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const known = document.cookie.split("; ").includes(`zone=${zone}`);
  if (!known) {
    document.cookie = `zone=${zone}; path=/; max-age=31536000; samesite=lax`;
    each("[data-zone]", (field) => { field.value = zone; });
    each("[data-zone-name]", (text) => { text.textContent = zone; });
    const stored = document.cookie.split("; ").includes(`zone=${zone}`);
    if (stored && zone !== "UTC" && document.querySelector("time") && !document.querySelector("#job-form")) location.reload();
  }

  // Polling: not while the tab is hidden or updates are paused. Sends the shown version, so that an unchanged page is a 304.
  let paused = false;
  const versions = new WeakMap();
  document.addEventListener("htmx:before:request", (event) => {
    const { ctx } = event.detail;
    if (document.hidden || paused) return event.preventDefault();
    const version = versions.get(ctx.sourceElement);
    if (version) ctx.request.headers["If-None-Match"] = version;
  });
  document.addEventListener("htmx:after:request", (event) => {
    const { ctx } = event.detail;
    const version = ctx.response?.headers.get("ETag");
    if (version) versions.set(ctx.sourceElement, version);
  });
  // Say when polling fails, until it works again.
  let lost;
  const away = () => {
    if (lost) return;
    lost = document.createElement("p");
    lost.className = "toast bad";
    lost.setAttribute("role", "alert");
    lost.textContent = "The server does not answer. What you see may be out of date; retrying.";
    document.getElementById("toasts").append(lost);
  };
  const back = () => { lost?.remove(); lost = undefined; };
  document.addEventListener("htmx:error", (event) => { if (!event.detail.ctx?.response) away(); });
  document.addEventListener("htmx:after:request", (event) => {
    const status = event.detail.ctx.response?.status;
    if (status >= 502) away();
    else if (status) back();
  });
  each("[data-pause]", (button) => {
    button.hidden = false;
    button.addEventListener("click", () => {
      paused = !paused;
      button.setAttribute("aria-pressed", String(paused));
    });
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-insert], [data-copy]");
    if (button?.dataset.insert) insert(button);
    if (button?.dataset.copy) copy(button);
  });

  function insert(button) {
    const area = document.getElementById(button.dataset.into);
    area.setRangeText(button.dataset.insert, area.selectionStart, area.selectionEnd, "end");
    area.focus();
  }

  // navigator.clipboard exists on https and localhost only; a selection can be copied everywhere.
  function copy(button) {
    const source = document.querySelector(button.dataset.copy);
    getSelection().selectAllChildren(source);
    const done = document.execCommand("copy");
    getSelection().removeAllRanges();
    const label = button.lastChild;
    const before = label.textContent;
    label.textContent = done ? "Copied" : "Not copied";
    setTimeout(() => { label.textContent = before; }, 2000);
  }
  const reveal = () => each("[data-copy]", (button) => { button.hidden = false; });
  reveal();
  document.addEventListener("htmx:after:swap", reveal);
  addEventListener("legwork:page", reveal);

  each(".ways", (ways) => ways.addEventListener("input", (event) => {
    const radio = event.target.closest(".choice")?.querySelector("[type=radio]");
    if (radio) radio.checked = true;
  }));

  document.getElementById("errors")?.focus();

  // Bulk selection: count the selected jobs; the box in the table's head selects the page. Polling keeps the boxes.
  const ticks = () => [...document.querySelectorAll("#bulk [name=job]:not(:disabled)")];
  const count = () => {
    const chosen = ticks().filter((tick) => tick.checked).length;
    each("[data-selected]", (text) => { text.textContent = `${chosen} selected`; });
    each("[data-tick-all]", (head) => {
      head.hidden = false;
      if (head.disabled) return;
      head.checked = chosen > 0 && chosen === ticks().length;
      head.indeterminate = chosen > 0 && !head.checked;
    });
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-tick-all]")) ticks().forEach((tick) => { tick.checked = event.target.checked; });
    if (event.target.closest(".tick")) count();
  });
  document.addEventListener("htmx:after:swap", count);
  addEventListener("pageshow", count);

  // The catalogue answers as one types. Without script, Enter asks the server the same.
  document.addEventListener("input", (event) => {
    const input = event.target;
    if (!input.matches?.("[data-filter]")) return;
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    each(input.dataset.filter, (card) => {
      card.hidden = !words.every((word) => card.dataset.words.includes(word));
      left += card.hidden ? 0 : 1;
    });
    each(".empty-find", (none) => { none.hidden = left > 0; });
  });

  // "/" focuses the page's search, "?" lists the keys. Both can be turned off there.
  const keys = document.getElementById("keys");
  const off = () => localStorage.getItem("keys") === "off";
  each("[data-keys]", (button) => { button.hidden = false; button.addEventListener("click", () => keys.showModal()); });
  each("[data-keys-off]", (button) => {
    button.setAttribute("aria-pressed", String(off()));
    button.addEventListener("click", () => {
      localStorage.setItem("keys", off() ? "on" : "off");
      button.setAttribute("aria-pressed", String(off()));
    });
  });
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.target.isContentEditable;
    if (typing || off() || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "?") { keys.open ? keys.close() : keys.showModal(); return; }
    if (event.key !== "/" || keys.open) return;
    const field = document.querySelector("input[type=search]");
    if (field) { event.preventDefault(); field.focus(); field.select(); }
  });
  root.classList.add("scripted");
})();
