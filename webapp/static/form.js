// A job's form: checked while it is filled in, files uploaded in place, and no double submission.
(() => {
  "use strict";
  const form = () => document.getElementById("job-form");
  const parsed = (text) => new DOMParser().parseFromString(text, "text/html");
  const touched = new Set();

  // The same as the button "Check", which is for pages without script: post the form and get its page back. Of that, show the
  // estimate, the JSON, and errors of fields that were filled in.
  let timer, asking;
  const check = async () => {
    asking?.abort();
    asking = new AbortController();
    const body = new FormData(form());
    form().querySelectorAll("[type=file]").forEach(({ name }) => {
      const chosen = body.getAll(name).filter((value) => typeof value === "string");
      body.delete(name);
      chosen.forEach((value) => body.append(name, value));
    });
    body.set("check", "1");
    try {
      const answer = await fetch(form().action, { method: "POST", body, signal: asking.signal });
      if (answer.ok) show(parsed(await answer.text()));
    } catch (error) {
      if (error.name !== "AbortError") timer = setTimeout(check, 5000);
    }
  };
  const show = (page) => {
    page.querySelectorAll("[data-live][id]").forEach((fresh) => {
      const shown = document.getElementById(fresh.id);
      if (shown && shown.innerHTML !== fresh.innerHTML) shown.innerHTML = fresh.innerHTML;
      if (shown) shown.hidden = fresh.hidden;
    });
    page.querySelectorAll("[data-said-of]").forEach((fresh) => {
      const shown = document.getElementById(fresh.id);
      if (!shown || !(touched.has(fresh.dataset.saidOf) || !shown.hidden)) return;
      if (shown.innerHTML !== fresh.innerHTML) shown.innerHTML = fresh.innerHTML;
      shown.hidden = fresh.hidden;
      const control = document.getElementById(fresh.id.replace(/-error$/, ""));
      if (fresh.hidden) control?.removeAttribute("aria-invalid");
      else control?.setAttribute("aria-invalid", "true");
    });
  };
  document.addEventListener("input", (event) => {
    if (!event.target.closest?.("#job-form") || event.target.type === "file") return;
    touched.add(event.target.name);
    clearTimeout(timer);
    timer = setTimeout(check, 600);
    if (event.target.matches("[data-later]") && event.target.value) document.getElementById("when-later").checked = true;
  });

  // Upload a chosen or dropped file at once, with progress; the page that comes back replaces this one.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-upload]") && event.target.value) upload(event.target);
  });
  const over = (event) => event.target.closest?.(".drop:has([type=file])");
  document.addEventListener("dragover", (event) => {
    const zone = over(event);
    document.querySelectorAll(".drop.here").forEach((other) => other.classList.toggle("here", other === zone));
    zone?.classList.add("here");
    if (zone) event.preventDefault();
  });
  document.addEventListener("dragleave", (event) => over(event)?.classList.remove("here"));
  document.addEventListener("drop", (event) => {
    const zone = over(event);
    if (!zone || !event.dataTransfer.files.length) return;
    event.preventDefault();
    zone.classList.remove("here");
    const control = zone.querySelector("[type=file]");
    const some = new DataTransfer();
    [...event.dataTransfer.files].slice(0, control.multiple ? undefined : 1).forEach((file) => some.items.add(file));
    control.files = some.files;
    upload(control);
  });
  const upload = (control) => {
    const zone = control.closest(".drop");
    const most = Number(zone.querySelector("[data-most]").dataset.most);
    const large = [...(control.files || [])].find((file) => file.size > most);
    const line = zone.querySelector("[role=status]");
    if (large) {
      line.textContent = `${large.name} is larger than ${Math.round(most / 1e6).toLocaleString("en")} MB, the upload limit.`;
      control.value = "";
      return;
    }
    clearTimeout(timer);
    line.textContent = control.type === "file" ? "Uploading" : "Reading the file";
    const sent = [...(control.files || [])].map((file) => () => send(file, line));
    sent.reduce((before, next) => before.then((ids) => next().then((id) => [...ids, id])), Promise.resolve([]))
      .then((ids) => use(control, zone.querySelector("[data-use]"), line, ids))
      .catch((error) => { line.textContent = error.message; control.value = ""; });
  };

  // Send a file in pieces, and go on where the line was cut, also after a reload of the page. Gives the file's id.
  const PIECE = 16 * 2 ** 20; // bytes; through a router that ends a request after 30 s, less comes of each and the rest again
  const PAUSES = [0, 1000, 3000, 5000, 10000, 20000, 30000, 30000, 30000]; // ms
  const send = (file, line) => new Promise((done, failed) => {
    let percent = 0;
    const one = new tus.Upload(file, {
      endpoint: "/api/v1/uploads",
      chunkSize: PIECE,
      metadata: { filename: file.name },
      retryDelays: PAUSES,
      removeFingerprintOnSuccess: true,
      onShouldRetry: (error) => {
        const status = error.originalResponse?.getStatus() ?? 0;
        const again = status === 0 || status >= 500 || [408, 409, 423, 429].includes(status);
        if (again) line.textContent = `The line was cut at ${percent}%. Going on`;
        return again;
      },
      onProgress: (sent, all) => {
        percent = Math.floor((100 * sent) / all);
        line.textContent = sent < all ? `Uploading, ${percent}%` : "Reading the file";
      },
      onSuccess: () => done(one.url.split("/").pop()),
      onError: (error) => failed(new Error(said(error) || `The upload was interrupted at ${percent}%. Choose the file again: it goes on from there.`)),
    });
    one.findPreviousUploads().then((before) => {
      if (before.length) one.resumeFromPreviousUpload(before[0]);
      one.start();
    });
  });
  const said = (error) => {
    try { return JSON.parse(error.originalResponse.getBody()).detail; } catch { return ""; }
  };

  // Choose uploads for a field; the page that comes back replaces this one.
  const use = (control, button, line, ids) => {
    const body = new FormData(form());
    if (control.type === "file") {
      const chosen = body.getAll(control.name).filter((value) => typeof value === "string");
      body.delete(control.name);
      chosen.forEach((value) => body.append(control.name, value));
      body.delete(`${control.name}.earlier`);
      ids.forEach((id) => body.append(`${control.name}.earlier`, id));
    }
    body.set(button.name, button.value);
    const interrupted = () => { line.textContent = "The server does not answer. Choose the file again."; control.value = ""; };
    return fetch(form().action, { method: "POST", body }).then((answer) => answer.text()).then((text) => {
      const page = parsed(text);
      if (!page.getElementById("job-form")) return form().requestSubmit(button);
      const open = [...document.querySelectorAll("details[open] > summary")].map((summary) => summary.textContent);
      document.getElementById("main").replaceWith(document.adoptNode(page.getElementById("main")));
      document.querySelectorAll("details > summary").forEach((summary) => { if (open.includes(summary.textContent)) summary.parentElement.open = true; });
      document.getElementById(control.id)?.focus();
      keep();
      ready();
      dispatchEvent(new Event("legwork:page"));
    }, interrupted);
  };

  // Put the chosen files into the address, so that the browser's Back brings the form with them.
  const keep = () => {
    const at = new URL(location.href);
    form().querySelectorAll(".drop [type=file]").forEach(({ name }) => {
      at.searchParams.delete(name);
      form().querySelectorAll(`[type=hidden][name="${name}"]`).forEach(({ value }) => { if (value) at.searchParams.append(name, value); });
    });
    history.replaceState(history.state, "", at);
  };

  // Add a row to a list, or take one out. Without script, Add is a button of the form, and an emptied row counts for nothing.
  document.addEventListener("click", (event) => {
    const added = event.target.closest?.("[data-add]");
    if (added) {
      event.preventDefault();
      add(document.getElementById(added.dataset.add));
    }
    const removed = event.target.closest?.("[data-remove]");
    if (removed) remove(removed.closest(".row"));
  });
  const add = (list) => {
    const fresh = list.lastElementChild.cloneNode(true);
    const place = list.children.length + 1;
    fresh.querySelectorAll("input").forEach((input) => { input.value = ""; });
    fresh.querySelectorAll("select").forEach((select) => { select.selectedIndex = 0; });
    fresh.querySelectorAll("legend").forEach((legend) => { legend.textContent = legend.textContent.replace(/\d+$/, place); });
    fresh.querySelectorAll("[data-remove]").forEach((button) => { button.setAttribute("aria-label", `Remove row ${place}`); });
    list.append(fresh);
    fresh.querySelector("input:not([type=hidden]), select").focus();
  };
  const remove = (row) => {
    const list = row.parentElement;
    const beside = row.nextElementSibling || row.previousElementSibling;
    if (!beside) add(list);
    row.remove();
    (list.lastElementChild.querySelector("[data-remove]") || list).focus();
    clearTimeout(timer);
    timer = setTimeout(check, 600);
  };

  // Ignore a second press. The server would also recognise it by its key.
  document.addEventListener("submit", (event) => {
    if (event.target !== form()) return;
    if (form().dataset.sent) return event.preventDefault();
    form().dataset.sent = "1";
    form().setAttribute("aria-busy", "true");
  });
  addEventListener("pageshow", () => { delete form().dataset.sent; form().removeAttribute("aria-busy"); });

  const ready = () => document.querySelectorAll("[data-remove]").forEach((button) => { button.hidden = false; });
  ready();
  if (document.querySelector("[data-unchecked]")) check();
})();
