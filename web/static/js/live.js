// Parts of a page that keep themselves fresh: <div data-live="/address" data-live-seconds="15">…</div> fetches its own inside anew
// when something happened, every so many seconds, and when the tab comes back. Without this file the page is as fresh as its load.
(() => {
  const { ask } = window.Madoguchi;

  for (const part of document.querySelectorAll("[data-live]")) keep(part);

  function keep(part) {
    const seconds = Number(part.dataset.liveSeconds || 15);
    let timer = null;
    let fetching = false;
    let last = null;

    const soon = (ms) => { clearTimeout(timer); timer = setTimeout(look, ms); };

    async function look() {
      clearTimeout(timer);
      if (document.hidden || fetching || busy()) return soon(seconds * 1000);
      fetching = true;
      const response = await ask(part.dataset.live).catch(() => null);
      fetching = false;
      if (response?.ok) {
        const html = await response.text();
        if (html !== last && !busy()) { last = html; show(html); }
        if (response.headers.get("X-Done")) { location.reload(); return; }
      }
      soon(seconds * 1000);
    }

    // somebody types or chooses in it just now: nothing may move under the hand
    function busy() {
      const active = document.activeElement;
      return part.contains(active) && active.matches("input:not([type=hidden]), textarea, select") || Boolean(part.querySelector("dialog[open]"));
    }

    function show(html) {
      const open = [...part.querySelectorAll("details[open][id]")].map((one) => one.id);
      const focused = part.contains(document.activeElement) ? document.activeElement : null;
      const mark = focused && (focused.id ? `#${CSS.escape(focused.id)}` : focused.href ? `a[href="${CSS.escape(focused.getAttribute("href"))}"]` : null);
      part.innerHTML = html; // our own page, escaped by the server; scripts in it do not run
      for (const id of open) { const one = document.getElementById(id); if (one) one.open = true; }
      if (mark) part.querySelector(mark)?.focus({ preventScroll: true });
      for (const form of part.querySelectorAll("form[data-here]")) {
        if (form.elements.next) continue;
        form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "next", value: location.pathname + location.search }));
      }
      document.dispatchEvent(new CustomEvent("madoguchi:shown"));
    }

    document.addEventListener("madoguchi:news", (event) => {
      if (event.detail.some((one) => !["looking", "writing"].includes(one.kind))) soon(400);
    });
    document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(200); });
    soon(seconds * 1000);
  }
})();
