// What every page of the house needs: requests with the CSRF token, news of others, fresh counts and times, drawer, messages.
(() => {
  const words = JSON.parse(document.getElementById("words").textContent);
  const token = document.querySelector('meta[name="csrf-token"]').content;

  const headers = (more = {}) => ({ "X-CSRFToken": token, "X-Fragment": "1", ...more });

  // A fetch with our headers; to the sign-in page when the session ended. Resolves to the response, also for 4xx.
  async function ask(url, options = {}) {
    const response = await fetch(url, { credentials: "same-origin", ...options, headers: headers(options.headers) });
    if (response.status === 401 && response.headers.has("X-Sign-In")) {
      if (isWriting()) tell(await response.clone().text(), "problem");
      else location.reload();
    }
    return response;
  }

  // Words in a plain field that stand nowhere else: a page that loads anew would lose them.
  function isWriting() {
    return [...document.querySelectorAll("textarea")].some((area) => area.value !== area.defaultValue && area.offsetParent);
  }

  // A message at the lower left. kind: done, info or problem.
  function tell(text, kind = "info") {
    const box = document.createElement("div");
    box.className = `told told-${kind}`;
    box.dataset.told = "";
    const span = document.createElement("span");
    span.textContent = text;
    box.append(span);
    document.querySelector(".toasts").append(box);
    fade(box);
  }

  // Messages that came with a part of a page.
  function show(told) {
    for (const box of told?.querySelectorAll("[data-told]") ?? []) {
      const now = document.importNode(box, true);
      document.querySelector(".toasts").append(now);
      comesBack(now.querySelector("form[data-here]"));
      fades(now);
    }
  }

  function fade(box, seconds = 10) {
    let timer = setTimeout(() => box.remove(), seconds * 1000);
    box.addEventListener("pointerenter", () => clearTimeout(timer));
    box.addEventListener("focusin", () => clearTimeout(timer));
    box.addEventListener("pointerleave", () => { timer = setTimeout(() => box.remove(), 4000); });
  }

  // Read out to those who do not see the screen.
  function say(text) { document.querySelector("[data-say]").textContent = text; }

  window.Madoguchi = { words, headers, ask, tell, show, say };

  document.addEventListener("htmx:config:request", (event) => {
    event.detail.ctx.request.headers["X-CSRFToken"] = token;
  });

  // -- news: the stream tells what changed, everyone who shows it fetches it

  const push = document.getElementById("push");
  push.addEventListener("news", (event) => {
    document.dispatchEvent(new CustomEvent("madoguchi:news", { detail: JSON.parse(event.detail.data) }));
  });
  push.addEventListener("ended", () => { if (!isWriting()) location.reload(); });

  const state = document.querySelector("[data-link-state]");
  let lost = null;
  const linkLost = () => { delete push.dataset.connected; lost ??= setTimeout(() => { state.hidden = false; }, 4000); };
  const linkBack = () => {
    push.dataset.connected = "yes";
    clearTimeout(lost);
    lost = null;
    if (!state.hidden) {
      state.hidden = true;
      document.dispatchEvent(new CustomEvent("madoguchi:news", { detail: [{ all: true }] }));
    }
  };
  push.addEventListener("htmx:sse:error", linkLost);
  push.addEventListener("htmx:error", linkLost);
  push.addEventListener("htmx:sse:after:connection", linkBack);

  let counting = null;
  document.addEventListener("madoguchi:news", (event) => {
    if (counting || !event.detail.some((one) => one.all || !["looking", "writing"].includes(one.kind))) return;
    counting = setTimeout(async () => {
      counting = null;
      const response = await ask("/inbox/counts").catch(() => null);
      if (!response?.ok) return;
      for (const [name, count] of Object.entries(await response.json())) {
        for (const place of document.querySelectorAll(`[data-count="${name}"]`)) {
          place.textContent = count ? count.toLocaleString("en") : "";
        }
      }
    }, 250);
  });

  // -- times

  function ago(at) {
    const minutes = Math.max(0, Math.floor((Date.now() - at) / 60000));
    for (const [size, name] of [[1440, "d"], [60, "h"], [1, "m"]]) {
      if (minutes >= size) return words.units[name].replace("0", Math.floor(minutes / size));
    }
    return words.units.now;
  }
  function freshenTimes() {
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const at = Date.parse(time.dateTime);
      const text = ago(at);
      if (time.textContent !== text) time.textContent = text;
      time.closest(".wait")?.classList.toggle("wait-long", Date.now() - at > 86400000);
    }
  }
  freshenTimes();
  setInterval(freshenTimes, 20000);
  document.addEventListener("madoguchi:shown", freshenTimes);

  // -- small behaviour that attributes ask for

  function fades(box) {
    const until = box.dataset.toldUntil;
    fade(box, until ? Math.max(1, (Date.parse(until) - Date.now()) / 1000) : 10);
  }
  for (const box of document.querySelectorAll(".toasts [data-told]")) fades(box);

  // "8 s": counts down to `data-until` and then says so
  function countDown() {
    for (const place of document.querySelectorAll("[data-until]")) {
      const left = Math.ceil((Date.parse(place.dataset.until) - Date.now()) / 1000);
      const text = left > 0 ? place.dataset.words.replace("{}", left) : "";
      if (place.textContent !== text) place.textContent = text;
      if (left <= 0) {
        place.removeAttribute("data-until");
        document.dispatchEvent(new CustomEvent("madoguchi:over", { detail: place }));
      }
    }
  }
  countDown();
  setInterval(countDown, 250);
  document.addEventListener("click", (event) => {
    const on = (selector) => event.target.closest?.(selector);
    on("[data-dismiss]")?.closest("[data-told]")?.remove();
    if (on("[data-drawer]")) drawer(!document.body.classList.contains("drawer-open"));
    else if (on("[data-drawer-close]")) drawer(false);
    const opener = on("[data-open]");
    if (opener) document.getElementById(opener.dataset.open)?.showModal();
    if (on("[data-close]")) on("dialog").close();
    if (event.target instanceof HTMLDialogElement && !event.target.hasAttribute("data-modal")) event.target.close();
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.querySelector("details.menu[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
    drawer(false);
  });
  function drawer(open) {
    document.body.classList.toggle("drawer-open", open);
    document.querySelector("[data-drawer]").setAttribute("aria-expanded", String(open));
    if (open) document.querySelector(".side a")?.focus();
  }
  // what stands in a menu is filled in together and has a button of its own
  for (const form of document.querySelectorAll("form[data-auto]")) form.addEventListener("change", (event) => { if (!event.target.closest(".menu")) form.requestSubmit(); });

  // forms that come back to where they were sent from
  function comesBack(form) {
    if (!form || form.elements.next) return;
    const next = Object.assign(document.createElement("input"), { type: "hidden", name: "next", value: location.pathname + location.search });
    form.append(next);
  }
  for (const form of document.querySelectorAll("form[data-here]")) comesBack(form);

  // one press, one post
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "post") return;
    if (event.target.dataset.sent) { event.preventDefault(); return; }
    event.target.dataset.sent = "yes";
    setTimeout(() => delete event.target.dataset.sent, 3000);
  });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
})();
