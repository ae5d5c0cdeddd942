// A job's page: an icon with its progress, a notification when it ends, a log that scrolls along.
(() => {
  "use strict";
  const live = () => document.getElementById("live");
  const colours = { running: "#2b4fa8", stopping: "#2b4fa8", succeeded: "#1f7a3d", partial: "#8a5a00", failed: "#b3261e", "timed-out": "#b3261e" };

  // The icon: a ring that fills; full and in the colour of the state once the job has ended.
  const draw = () => {
    const { state, share, over } = live().dataset;
    const colour = colours[state] || "#6b6b66";
    const filled = over ? 100 : Number(share || 0);
    const round = 2 * Math.PI * 12;
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="none" stroke-width="7">` +
      `<circle cx="16" cy="16" r="12" stroke="#9a9a94" stroke-opacity=".45"/>` +
      `<circle cx="16" cy="16" r="12" stroke="${colour}" stroke-dasharray="${(round * filled) / 100} ${round}" transform="rotate(-90 16 16)"/></svg>`;
    document.querySelector("link[rel=icon]").href = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  };

  // The notification: on request, for this tab, and not for a job that the viewer stops.
  const key = () => `tell:${live().dataset.job}`;
  const offer = () => {
    const button = document.querySelector("[data-tell]");
    if (!button) return;
    button.hidden = !("Notification" in window) || Notification.permission === "denied";
    button.setAttribute("aria-pressed", String(Boolean(sessionStorage.getItem(key()))));
  };
  document.addEventListener("click", async (event) => {
    if (!event.target.closest?.("[data-tell]")) return;
    const wanted = !sessionStorage.getItem(key()) && (await Notification.requestPermission()) === "granted";
    if (wanted) sessionStorage.setItem(key(), "1");
    else sessionStorage.removeItem(key());
    offer();
  });
  document.addEventListener("submit", (event) => {
    if (/\/cancel$/.test(event.target.action)) sessionStorage.removeItem(key());
  });
  const tell = () => {
    const { over, state } = live().dataset;
    if (!over || !sessionStorage.getItem(key())) return;
    sessionStorage.removeItem(key());
    if (state === "stopped" || Notification.permission !== "granted") return;
    const message = new Notification(live().querySelector("h1").textContent.trim(), { tag: key(), body: document.getElementById("announce").textContent });
    message.onclick = () => { window.focus(); message.close(); };
  };

  // The log follows its end until the reader scrolls up.
  let held = true;
  const toEnd = () => {
    const log = document.querySelector("[data-follow]");
    if (log && held) log.scrollTop = log.scrollHeight;
  };
  document.addEventListener("scroll", (event) => {
    const log = event.target.closest?.("[data-follow]");
    if (log) held = log.scrollTop + log.clientHeight >= log.scrollHeight - 40;
  }, true);

  const all = () => { draw(); offer(); tell(); toEnd(); };
  document.addEventListener("htmx:after:swap", all);
  all();
})();
