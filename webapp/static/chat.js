// Conversations: text appears as it is written. Without script the page reloads instead.
(() => {
  "use strict";
  const turns = document.getElementById("turns");
  const composer = document.getElementById("composer");
  if (!turns) return;
  if (!composer) return dress(document); // a page of earlier messages
  const message = composer.querySelector("textarea");
  const send = composer.querySelector("[data-send]");
  const stopButton = composer.querySelector("[data-stop-button]");
  const help = composer.querySelector("[data-help]");
  const files = composer.querySelector("[data-files]");
  const token = composer.querySelector("[name=csrf_token]").value;
  const ours = { "X-Requested-With": "chat.js", "X-CSRFToken": token };
  let reading = null;

  // The page follows the end of the answer until the reader scrolls up.
  const page = document.scrollingElement;
  let sticking = true;
  addEventListener("scroll", () => { sticking = page.scrollHeight - page.scrollTop - innerHeight < 120; }, { passive: true });
  const stick = () => { if (sticking) page.scrollTop = page.scrollHeight; };

  // The characters of a text between two positions of the answer.
  const between = (piece, from, to = Infinity) => [...piece.text].slice(from - piece.at, to - piece.at).join("");

  // One answer: text as it arrives, replaced by HTML as soon as that follows. Offsets count characters, not UTF-16 units.
  class Answer {
    constructor(article) {
      this.article = article;
      this.box = article.querySelector("[data-text]");
      this.figures = article.querySelector("[data-figures]");
      this.seen = 0;
      this.from = Date.now();
      this.pieces = [];
      this.sections = [];
      this.tail = Object.assign(document.createElement("span"), { className: "tail" });
      this.caret = Object.assign(document.createElement("span"), { className: "caret" });
      this.caret.setAttribute("aria-hidden", "true");
      this.edge = ""; // the white space before the tail
      this.whole = ""; // all text of the answer that came by this connection
      this.began = false;
      this.connect();
    }

    connect() {
      this.source = new EventSource(`${this.article.dataset.stream}?after=${this.seen}`);
      this.source.onmessage = (event) => this.text(JSON.parse(event.data));
      this.source.addEventListener("html", (event) => this.html(JSON.parse(event.data)));
      this.source.addEventListener("reasoning", (event) => this.say(`Reasoning, ${JSON.parse(event.data).characters.toLocaleString("en")} characters so far`));
      this.source.addEventListener("end", (event) => this.end(JSON.parse(event.data)));
      this.source.onopen = () => this.say("");
      this.source.onerror = () => {
        this.say("Reconnecting");
        if (this.source.readyState !== EventSource.CLOSED) return; // the browser reconnects
        clearTimeout(this.retry);
        this.retry = setTimeout(() => this.connect(), 2000);
      };
    }

    begin() {
      if (this.began) return;
      this.began = true;
      this.box.replaceChildren(this.tail, this.caret);
    }

    text({ at, text, tokens }) {
      this.begin();
      const letters = at === this.seen ? text : at < this.seen ? [...text].slice(this.seen - at).join("") : null;
      if (letters === null) return this.again();
      if (!letters) return;
      this.pieces.push({ at: this.seen, text: letters });
      this.seen += at === this.seen ? [...text].length : [...letters].length;
      this.tail.append(letters);
      this.whole += letters;
      if (letters.includes("\n")) this.place();
      this.tokens(tokens);
      stick();
    }

    html({ from, to, html }) {
      this.begin();
      this.box.append(this.tail);
      const last = this.pieces.findLast((piece) => piece.at < to);
      if (last) this.edge = between(last, last.at, to).match(/\s*$/)[0];
      while (this.sections.length && this.sections.at(-1).from >= from) this.sections.pop().nodes.forEach((node) => node.remove());
      const holder = document.createElement("template");
      holder.innerHTML = html; // made and cleaned by the server
      const nodes = [...holder.content.childNodes];
      this.box.insertBefore(holder.content, this.tail);
      this.sections.push({ from, nodes });
      this.pieces = this.pieces.map((piece) => (piece.at < to ? { at: to, text: between(piece, to) } : piece)).filter((piece) => piece.text);
      this.place();
      stick();
    }

    // Text that is not HTML yet continues the paragraph, item or open block of code it belongs to, with the caret behind the last letter.
    place() {
      const rest = this.pieces.map((piece) => piece.text).join("");
      this.caret.remove();
      this.box.append(this.tail);
      let last = this.tail.previousElementSibling;
      while (last && /^(UL|OL|LI|BLOCKQUOTE|PRE)$/.test(last.tagName) && last.lastElementChild) last = last.lastElementChild;
      const fences = this.whole.match(/^ {0,3}(```|~~~)/gm)?.length ?? 0;
      const inCode = last?.tagName === "CODE" && fences % 2 === 1 && !/^ {0,3}(```|~~~)/m.test(rest);
      const goesOn = inCode || (last && /^(P|LI)$/.test(last.tagName) && !`${this.edge}${rest}`.includes("\n"));
      this.tail.textContent = goesOn ? this.edge + rest : rest;
      if (goesOn) last.append(this.tail, this.caret);
      else if (last && !rest) last.append(this.caret);
      else this.box.append(this.tail, this.caret);
    }

    tokens(count) {
      if (!count) return;
      this.first ??= { at: Date.now(), count };
      const seconds = (Date.now() - this.first.at) / 1000;
      const pace = seconds > 1 ? `, ${((count - this.first.count) / seconds).toFixed(1)} tokens/s` : "";
      this.say(`${count.toLocaleString("en")} tokens so far${pace}`);
    }

    say(words) { if (this.figures) this.figures.textContent = words; }

    again() { this.source.close(); this.connect(); }

    async end({ state, message }) {
      this.source.close();
      clearTimeout(this.retry);
      if (state === "signed_out") return location.reload(); // the sign-in page leads back here
      try {
        const shown = await fetch(`/chat/answers/${this.article.id.slice(7)}`, { headers: ours });
        if (shown.ok) {
          const holder = document.createElement("template");
          holder.innerHTML = await shown.text();
          const fresh = holder.content.firstElementChild;
          this.article.replaceWith(fresh);
          dress(fresh);
        }
      } catch { location.reload(); }
      const words = { done: "The answer is complete.", stopped: "The answer was stopped." };
      document.getElementById("said").textContent = words[state] || message || "The answer ended.";
      reading = null;
      idle();
      stick();
    }
  }

  function writing(article) {
    reading = new Answer(article);
    send.hidden = true;
    stopButton.hidden = false;
    stopButton.disabled = false;
    stopButton.formAction = article.dataset.stop;
    message.required = false;
    message.placeholder = "Write your next message";
    help.textContent = help.dataset.writing;
  }

  function idle() {
    send.hidden = false;
    stopButton.hidden = true;
    message.placeholder = "Write a message";
    help.textContent = help.dataset.idle;
    document.querySelectorAll(".talks [aria-current] small").forEach((line) => { line.textContent = line.textContent.replace(", answering", ""); });
  }

  // Enter sends, Shift+Enter starts a new line; not while a word is being composed or an answer is written.
  message.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!reading && message.value.trim()) composer.requestSubmit(send);
  });

  composer.addEventListener("submit", async (event) => {
    if (event.submitter === stopButton) {
      event.preventDefault();
      stopButton.disabled = true;
      try {
        await fetch(stopButton.formAction, { method: "POST", headers: ours });
      } catch { stopButton.disabled = false; }
      return;
    }
    if (!("talk" in composer.dataset)) return; // the first message makes the conversation: a page of its own
    event.preventDefault();
    if (reading || send.disabled || !message.value.trim()) return;
    send.disabled = true;
    await ask().finally(() => { send.disabled = false; });
  });

  async function ask() {
    let answer, body;
    if (files.files.length) help.textContent = "Reading the files…";
    try {
      answer = await fetch(composer.action, { method: "POST", headers: { ...ours, Accept: "application/json" }, body: new FormData(composer) });
      body = await answer.json();
    } catch {
      idle();
      return refuse("The message was not sent: the server does not answer. Try again.");
    }
    if (!answer.ok) {
      idle();
      return refuse(body.detail || "The message was not accepted.");
    }
    refuse("");
    message.value = files.value = "";
    if (body.files) document.getElementById("files").outerHTML = body.files;
    turns.querySelectorAll(".turn.answer .actions form").forEach((form) => form.remove()); // for the last answer only
    turns.insertAdjacentHTML("beforeend", body.html);
    sticking = true;
    writing(turns.lastElementChild);
    stick();
  }

  function refuse(words) {
    document.getElementById("refusal")?.remove();
    if (!words) return;
    const line = Object.assign(document.createElement("p"), { className: "error", id: "refusal", textContent: words });
    line.setAttribute("role", "alert");
    composer.prepend(line);
  }

  // Files can be dropped anywhere on the conversation and go with the next message.
  const zone = document.querySelector(".chat");
  const over = (event) => {
    const here = event.dataTransfer?.types.includes("Files");
    if (here) event.preventDefault();
    composer.classList.toggle("here", Boolean(here));
  };
  zone.addEventListener("dragover", over);
  zone.addEventListener("dragleave", () => composer.classList.remove("here"));
  zone.addEventListener("drop", (event) => {
    composer.classList.remove("here");
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    const both = new DataTransfer();
    for (const file of [...files.files, ...event.dataTransfer.files]) both.items.add(file);
    files.files = both.files;
    message.focus();
  });

  // Copy: a whole answer, or one block of code.
  function dress(within) {
    window.legworkColours?.(within);
    within.querySelectorAll("[data-copy-answer]").forEach((button) => {
      button.hidden = false;
      button.addEventListener("click", () => copy(button, button.closest(".turn").querySelector("[data-text]")));
    });
    within.querySelectorAll("[data-text] pre").forEach((block) => {
      if (block.parentElement.classList.contains("code")) return;
      const frame = Object.assign(document.createElement("div"), { className: "code" });
      const button = Object.assign(document.createElement("button"), { className: "button quiet small", type: "button" });
      button.append(Object.assign(document.createElement("span"), { textContent: "Copy" }));
      button.setAttribute("aria-label", "Copy the code");
      button.addEventListener("click", () => copy(button, block));
      block.replaceWith(frame);
      frame.append(block, button);
    });
  }

  // navigator.clipboard exists on https and localhost only; a selection can be copied everywhere.
  function copy(button, source) {
    getSelection().selectAllChildren(source);
    const done = document.execCommand("copy");
    getSelection().removeAllRanges();
    const label = button.querySelector("span");
    const before = label.textContent;
    label.textContent = done ? "Copied" : "Not copied";
    setTimeout(() => { label.textContent = before; }, 2000);
  }

  dress(document);
  const open = turns.querySelector("[data-stream]");
  if (open) writing(open);
  if (location.hash === "#end" || open) { sticking = true; stick(); }
})();
