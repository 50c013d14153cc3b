// A conversation: says that one looks, shows what others do, fits the frames of HTML mails, opens composers in place.
(() => {
  const page = document.querySelector("[data-conversation]");
  if (!page) return;
  const { ask, tell, show, words, keys, opened, compose } = window.Madoguchi;
  const said = JSON.parse(page.dataset.words);
  const thread = page.querySelector("[data-thread]");
  const place = document.getElementById("composer-place");
  const entries = () => [...thread.querySelectorAll("[data-entry]")];
  opened(page.dataset.conversation, page.dataset.title);

  // -- who looks

  async function look() {
    if (document.visibilityState === "visible") await ask(page.dataset.looks, { method: "POST" }).catch(() => null);
  }
  look();
  setInterval(look, 30000);
  document.addEventListener("visibilitychange", look);
  let staysUnread = false;
  addEventListener("pagehide", () => {
    if (staysUnread) return;
    const data = new FormData();
    data.set("csrf_token", document.querySelector('meta[name="csrf-token"]').content);
    navigator.sendBeacon(page.dataset.leaving, data);
  });

  // -- HTML mails in their frames: the height is that of the mail, known ones are given it before they load

  const known = (() => { try { return JSON.parse(sessionStorage.getItem("madoguchi.heights") || "{}"); } catch { return {}; } })();
  function frames(within) {
    for (const frame of within.querySelectorAll("iframe[data-mail]")) {
      if (frame.dataset.fits) continue;
      frame.dataset.fits = "yes";
      const before = known[`${frame.dataset.mail}:${frame.clientWidth}`];
      if (before) frame.style.height = `${before}px`;
      frame.addEventListener("load", () => watch(frame));
      if (frame.contentDocument?.readyState === "complete" && frame.contentDocument.URL !== "about:blank") watch(frame);
    }
  }
  function watch(frame) {
    const inner = frame.contentDocument;
    if (!inner?.body) return;
    const bar = frame.closest("[data-body]").querySelector("[data-remote-bar]");
    bar?.classList.toggle("remote-bar-on", Number(inner.documentElement.dataset.blocked) > 0);
    const fit = () => {
      const wide = inner.documentElement.scrollWidth > inner.documentElement.clientWidth + 1;
      const height = Math.min(20000, Math.ceil(inner.body.getBoundingClientRect().height) + (wide ? 18 : 0));
      if (Math.abs(frame.clientHeight - height) < 2) return;
      frame.style.height = `${height}px`;
      known[`${frame.dataset.mail}:${frame.clientWidth}`] = height;
      const kept = Object.entries(known).slice(-300);
      sessionStorage.setItem("madoguchi.heights", JSON.stringify(Object.fromEntries(kept)));
    };
    fit();
    new ResizeObserver(fit).observe(inner.body);
    // keys pressed inside the mail count as pressed here
    inner.addEventListener("keydown", (event) => {
      const copy = new KeyboardEvent("keydown", { key: event.key, ctrlKey: event.ctrlKey, metaKey: event.metaKey, altKey: event.altKey, shiftKey: event.shiftKey, bubbles: true, cancelable: true });
      if (!thread.dispatchEvent(copy)) event.preventDefault();
    });
  }
  // "Remote images are blocked – show": the same frame again, with pictures
  page.addEventListener("click", (event) => {
    const link = event.target.closest("[data-show-remote]");
    if (!link) return;
    event.preventDefault();
    const frame = link.closest("[data-body]").querySelector("iframe[data-mail]");
    frame.src = link.href;
    link.closest("[data-remote-bar]").remove();
  });

  // -- moving

  keys("J", said["next message"], "", () => step(1));
  keys("K", said["previous message"], "", () => step(-1));
  function step(by) {
    const all = entries().filter((entry) => entry.matches(".msg, .note-entry"));
    const at = all.findIndex((entry) => entry.contains(document.activeElement));
    const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, at + by))];
    if (!next) return;
    next.closest("details.older")?.setAttribute("open", "");
    next.tabIndex = -1;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "start" });
  }

  // -- composers open in place

  page.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("[data-compose]")) return;
    event.preventDefault();
    form.closest("details.menu")?.removeAttribute("open");
    const before = place.querySelector("[data-composer]");
    if (before && await before.saveNow?.() === false) { before.scrollIntoView({ block: "nearest" }); return; } // its words come first
    const response = await ask(form.action, { method: "POST", body: new FormData(form, event.submitter) }).catch(() => null);
    if (!response?.ok) { tell(response ? await sentence(response) : words.failed, "problem"); return; }
    const parsed = new DOMParser().parseFromString(await response.text(), "text/html");
    const root = parsed.querySelector("[data-composer]");
    place.replaceChildren(document.importNode(root, true));
    history.replaceState(history.state, "", place.querySelector("[data-composer]").dataset.here);
    compose(place.querySelector("[data-composer]"));
    page.querySelector(`[data-own-draft="${root.dataset.draft}"]`)?.remove();
    place.scrollIntoView({ block: "nearest" });
    if (before) asked ??= setTimeout(refresh, 40); // that one is a draft to go on with now
  });
  // what one does with the conversation is done in place; only what leads elsewhere leaves the page
  page.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.method !== "post" || form.dataset.sent || form.matches("[data-compose], [data-unread]")) return;
    if (form.closest("[data-composer]") && form.id !== "takeover-form") return; // the composer's own
    event.preventDefault();
    const data = new FormData(form, event.submitter);
    const composer = place.querySelector("[data-composer]");
    if (composer && await composer.saveNow?.() === false) { composer.scrollIntoView({ block: "nearest" }); return; }
    const response = await ask(form.action, { method: "POST", body: data, headers: { "X-In-Place": "1" } }).catch(() => null);
    delete form.dataset.sent;
    if (!response?.ok) {
      const why = response ? await sentence(response) : words.failed;
      const place = response?.headers.has("X-Field") && form.querySelector(`[data-error-of="${CSS.escape(response.headers.get("X-Field"))}"]`);
      if (place) refuse(form.elements[response.headers.get("X-Field")], place, why); else tell(why, "problem");
      return;
    }
    const to = new URL(response.headers.get("X-Go") ?? location.href, location.href);
    const draft = to.searchParams.get("draft"); // to go on with; none: what is being written stays open
    const stays = to.pathname === new URL(page.dataset.url, location.href).pathname && (!draft || draft === composer?.dataset.draft);
    if (!stays) { location.assign(to); return; }
    await refresh(form);
    composer?.dispatchEvent(new Event("madoguchi:claim"));
  });
  // a form with a page of its own opens where its link stands
  page.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-edit-here]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const response = await ask(link.href).catch(() => null);
    const form = response?.ok && new DOMParser().parseFromString(await response.text(), "text/html").querySelector("details");
    if (form) link.replaceWith(document.importNode(form, true)); else location.assign(link.href);
  });
  // the reason stands at the field until its words change
  function refuse(field, place, why) {
    place.querySelector("span").textContent = why;
    place.hidden = false;
    field.setAttribute("aria-invalid", "true");
    field.focus();
    field.addEventListener("input", () => { place.hidden = true; field.removeAttribute("aria-invalid"); }, { once: true });
  }
  async function sentence(response) {
    return new DOMParser().parseFromString(await response.text(), "text/html").body.textContent.trim() || words.failed;
  }
  page.addEventListener("toggle", ({ target }) => {
    if (target.matches("details[data-focus-on-open][open]") && !target.contains(document.activeElement)) target.querySelector("textarea, input:not([type=hidden]), select")?.focus();
  }, true);
  page.addEventListener("submit", (event) => { if (event.target.matches("[data-unread]")) staysUnread = true; });

  // -- what others do

  const plain = (element) => {
    const copy = element.cloneNode(true);
    for (const one of copy.querySelectorAll("input[name=csrf_token]")) one.setAttribute("value", "");
    for (const one of copy.querySelectorAll("[data-ago], [data-until]")) one.textContent = "";
    for (const one of copy.querySelectorAll("iframe")) { one.removeAttribute("style"); one.removeAttribute("data-fits"); }
    return copy.outerHTML;
  };
  const rendered = new Map();
  for (const one of page.querySelectorAll("[data-entry], [data-part]")) rendered.set(one.dataset.entry ?? one.dataset.part, plain(one));
  frames(page);

  let asked = null;
  document.addEventListener("madoguchi:news", (event) => {
    if (event.detail.some((one) => one.all || String(one.conversation) === page.dataset.conversation)) asked ??= setTimeout(refresh, 40);
  });

  // `done`: the form that was sent in place; the part it stands in is renewed whoever has the focus there
  async function refresh(done = null) {
    if (!done) asked = null;
    const address = new URL(page.dataset.url, location.href);
    const composing = place.querySelector("[data-composer]")?.dataset.draft;
    if (composing) address.searchParams.set("draft", composing);
    const response = await ask(address, { headers: done ? { "X-Told": "1" } : {} }).catch(() => null);
    if (!response?.ok) return;
    const parsed = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = parsed.querySelector("[data-conversation]");
    if (!fresh) return;
    show(fresh.querySelector("[data-told-here]"));
    const acted = done?.closest("[data-part]")?.dataset.part;
    for (const part of fresh.querySelectorAll("[data-part]")) renewPart(part, part.dataset.part === acted);
    const came = renewEntries(fresh);
    page.dataset.version = fresh.dataset.version;
    frames(page);
    document.dispatchEvent(new CustomEvent("madoguchi:shown"));
    if (came.length) arrived(came);
  }

  // a part that somebody uses just now waits for the next time
  function renewPart(part, acted) {
    const old = page.querySelector(`[data-part="${part.dataset.part}"]`);
    const html = plain(part);
    if (!old || (rendered.get(part.dataset.part) === html && !acted)) return;
    const used = old.contains(document.activeElement);
    if (!acted && (used || old.querySelector("details[open]:is(.menu, [data-focus-on-open])"))) { asked ??= setTimeout(refresh, 3000); return; }
    rendered.set(part.dataset.part, html);
    const open = acted ? [] : [...old.querySelectorAll("details[id][open]")].map((one) => one.id);
    const key = used ? (document.activeElement.closest("details")?.querySelector("summary") ?? document.activeElement).dataset.key : "";
    const now = document.importNode(part, true);
    for (const id of open) now.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
    old.replaceWith(now);
    if (key) now.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
  }

  function renewEntries(fresh) {
    const came = [];
    let before = null;
    const wanted = [...fresh.querySelectorAll("[data-entry]")];
    const ids = new Set(wanted.map((one) => one.dataset.entry));
    for (const old of entries()) if (!ids.has(old.dataset.entry) && !old.contains(document.activeElement)) { rendered.delete(old.dataset.entry); old.remove(); }
    for (const entry of wanted) {
      const id = entry.dataset.entry;
      const old = thread.querySelector(`[data-entry="${CSS.escape(id)}"]`);
      const html = plain(entry);
      if (old) {
        if (rendered.get(id) !== html && !old.contains(document.activeElement)) {
          const now = document.importNode(entry, true);
          carryOver(old, now);
          old.replaceWith(now);
          rendered.set(id, html);
          before = now;
        } else before = old;
        continue;
      }
      const now = document.importNode(entry, true);
      now.classList.add("entry-fresh");
      if (before) before.after(now); else thread.prepend(now);
      rendered.set(id, html);
      before = now;
      came.push(now);
    }
    return came;
  }

  // what the reader opened stays open; a frame that is shown already is not loaded again
  function carryOver(old, now) {
    const places = [...now.querySelectorAll("details")];
    [...old.querySelectorAll("details")].forEach((one, n) => { if (places[n] && !one.matches(".menu")) places[n].open = one.open; });
  }

  function arrived(came) {
    const mails = came.filter((one) => one.matches(".msg") && !(one.matches(".msg-out") && one.dataset.by === page.dataset.me));
    const last = mails.at(-1);
    if (!last) return;
    const text = said.arrived.replace("{}", last.dataset.who);
    const live = page.querySelector("[data-live]");
    live.textContent = text;
    const composer = place.querySelector("[data-composer]");
    if (composer) composer.dispatchEvent(new CustomEvent("madoguchi:arrived", { detail: { text: last.dataset.snippet ? `${text} – ${last.dataset.snippet}` : text, version: page.dataset.version } }));
    else look();
  }

  // -- the time to take an answer back is over: what became of it?

  document.addEventListener("madoguchi:over", (event) => { if (page.contains(event.detail)) asked ??= setTimeout(refresh, 4000); });

  // -- where one begins to read

  if (!location.hash && !place.querySelector("[data-composer]")) {
    const here = page.querySelector("[data-begin]");
    if (here && here.getBoundingClientRect().bottom > innerHeight) here.scrollIntoView({ block: "start" });
  }

  page.dataset.live = "yes";
})();
