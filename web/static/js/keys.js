// Keys, the help sheet and the command palette, all from what the page declares:
//   data-key="r"            pressing r clicks this link or button (or focuses this field)
//   data-key="g u"          one key after the other;  data-key="mod+k": Ctrl or Cmd;  several: data-key="o|Enter"
//   data-key-label="…"      its name in help and palette (else aria-label or text);  data-key-group="…": its heading
// Pages add movement of their own with Madoguchi.keys(key, label, group, run).
(() => {
  const { words } = window.Madoguchi;
  const typed = [];
  const extra = []; // {key, label, group, run}
  let typing = null;

  window.Madoguchi.keys = (key, label, group, run) => extra.push({ key, label, group, run });

  const shown = (element) => element.isConnected && !element.disabled && (element.checkVisibility?.({ visibilityProperty: true }) ?? true);
  const labelOf = (element) => (element.dataset.keyLabel || element.getAttribute("aria-label") || element.textContent).trim().replace(/\s+/g, " ");
  const inField = (target) => target.closest?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]:not([contenteditable=false])");

  // keys of the page, the more special first: what stands in <main> wins over the house around it
  function declared() {
    const found = [...document.querySelectorAll("[data-key]")];
    const open = document.querySelector("dialog[open]");
    return found.filter((one) => !open || open.contains(one)).sort((a, b) => Boolean(b.closest("main")) - Boolean(a.closest("main")));
  }

  function press(element) {
    if (element.matches("input:not([type=checkbox]):not([type=submit]), textarea, select")) { element.focus(); element.select?.(); }
    else if (element.matches("summary")) { element.parentElement.open = true; element.parentElement.querySelector(":scope > :not(summary) :is(textarea, select, input:not([type=hidden]), button, a)")?.focus(); }
    else element.click();
  }

  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.defaultPrevented || event.altKey) return;
    const mod = event.ctrlKey || event.metaKey;
    if (["Shift", "Control", "Meta", "Alt"].includes(event.key)) return;
    const key = (mod ? "mod+" : "") + event.key;
    if (inField(event.target) && !mod) {
      if (event.key === "Escape" && event.target.matches(".top-search input")) event.target.blur();
      return;
    }
    if (key === "Enter" && event.target.closest("a, button, summary")) return;
    typed.push(key);
    clearTimeout(typing);
    typing = setTimeout(() => { typed.length = 0; }, 1200);
    const run = match(typed.join(" ")) ?? (typed.length > 1 ? match(key) : null);
    if (run === "waiting") return;
    typed.length = 0;
    if (run) { event.preventDefault(); run(); }
  });

  function match(now) {
    let waiting = false;
    for (const one of declared()) {
      for (const key of one.dataset.key.split("|")) {
        if (key === now && shown(one)) return () => press(one);
        if (key.startsWith(now + " ")) waiting = true;
      }
    }
    if (!document.querySelector("dialog[open]")) {
      for (const one of extra) {
        if (one.key.split("|").includes(now)) return one.run;
        if (one.key.startsWith(now + " ")) waiting = true;
      }
    }
    return waiting ? "waiting" : null;
  }

  // -- help sheet

  const sheet = document.getElementById("keys");
  const list = sheet.querySelector("[data-keys-list]");
  new MutationObserver(() => { if (sheet.open) fillSheet(); }).observe(sheet, { attributeFilter: ["open"] });

  function fillSheet() {
    const groups = new Map();
    const seen = new Set();
    const add = (key, label, group) => {
      if (seen.has(key) || !label) return;
      seen.add(key);
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push([key, label]);
    };
    const page = words["this page"];
    for (const one of extra) add(one.key, one.label, one.group || page);
    for (const one of [...document.querySelectorAll("[data-key]")].filter((e) => !e.closest("dialog"))) add(one.dataset.key, labelOf(one), one.dataset.keyGroup || page);
    list.replaceChildren(...[...groups].map(([group, lines]) => {
      const section = document.createElement("section");
      const head = document.createElement("h3");
      head.textContent = group;
      const dl = document.createElement("dl");
      dl.append(...lines.map(([key, label]) => {
        const line = document.createElement("div");
        const dt = document.createElement("dt");
        const dd = document.createElement("dd");
        dt.textContent = label;
        dd.append(...keycaps(key));
        line.append(dt, dd);
        return line;
      }));
      section.append(head, dl);
      return section;
    }));
  }

  const NAMES = { mod: /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘" : "Ctrl", Enter: "↵", PageUp: "PgUp", PageDown: "PgDn", ArrowDown: "↓", ArrowUp: "↑" };
  function keycaps(key) {
    const cap = (text) => Object.assign(document.createElement("kbd"), { textContent: NAMES[text] ?? text });
    return key.split("|").flatMap((one, n) => {
      const parts = one.split(" ").flatMap((step, m) => [...(m ? [` ${words.then} `] : []), ...step.split(/(?<=.)\+(?=.)/).map(cap)]);
      return n ? [" / ", ...parts] : parts;
    });
  }

  // -- palette

  const palette = document.getElementById("palette");
  const field = palette.querySelector("input");
  const options = palette.querySelector("ul");
  let choices = [];
  let at = 0;
  new MutationObserver(() => { if (palette.open) { field.value = ""; fillPalette(); field.focus(); } }).observe(palette, { attributeFilter: ["open"] });

  const recent = () => { try { return JSON.parse(localStorage.getItem("madoguchi.recent") || "[]"); } catch { return []; } };
  // conversation pages call this, so that the palette finds them again
  window.Madoguchi.opened = (id, title) => {
    localStorage.setItem("madoguchi.recent", JSON.stringify([{ id, title }, ...recent().filter((one) => one.id !== id)].slice(0, 12)));
  };

  function fillPalette() {
    const asked = field.value.trim().normalize("NFKC").toLowerCase();
    const fits = (text) => asked.split(/\s+/).every((word) => text.normalize("NFKC").toLowerCase().includes(word));
    const commands = [...extra.map((one) => ({ label: one.label, hint: one.key, run: one.run })),
      ...[...document.querySelectorAll("[data-key], .side a")].filter((one) => !one.closest("dialog") && shown(one)).map((one) => ({
        label: one.dataset.keyLabel || one.querySelector(".side-label")?.textContent || labelOf(one), hint: one.dataset.key || "", run: () => press(one), icon: one.querySelector("use")?.getAttribute("href") }))];
    const opened = recent().map((one) => ({ label: one.title, hint: words.recent, run: () => { location.href = `/conversations/${one.id}`; } }));
    const seen = new Set();
    choices = [...commands, ...opened].filter((one) => one.label && fits(one.label) && !seen.has(one.label) && seen.add(one.label));
    // what begins with the words comes first
    choices.sort((a, b) => begins(b, asked) - begins(a, asked));
    choices.splice(40);
    if (asked) {
      choices.push({ label: field.dataset.searchLabel.replace("{}", field.value.trim()), hint: "",
        run: () => { location.href = `${field.dataset.searchUrl}?q=${encodeURIComponent(field.value.trim())}`; } });
    }
    at = 0;
    options.replaceChildren(...choices.map((one, n) => {
      const li = Object.assign(document.createElement("li"), { id: `choice-${n}` });
      li.setAttribute("role", "option");
      const span = Object.assign(document.createElement("span"), { textContent: one.label });
      li.append(span);
      if (one.hint) { const small = document.createElement("small"); small.append(...(one.hint === words.recent ? [one.hint] : keycaps(one.hint))); li.append(small); }
      li.addEventListener("click", () => choose(n));
      return li;
    }));
    if (!choices.length) options.append(Object.assign(document.createElement("li"), { className: "palette-none", textContent: words.nothing }));
    mark();
  }
  const begins = (one, asked) => Number(one.label.normalize("NFKC").toLowerCase().startsWith(asked));
  function mark() {
    [...options.children].forEach((li, n) => li.setAttribute("aria-selected", String(n === at)));
    field.setAttribute("aria-activedescendant", `choice-${at}`);
    options.children[at]?.scrollIntoView({ block: "nearest" });
  }
  function choose(n) {
    const one = choices[n];
    if (!one) return;
    palette.close();
    one.run();
  }
  field.addEventListener("input", fillPalette);
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      at = (at + (event.key === "ArrowDown" ? 1 : -1) + choices.length) % Math.max(1, choices.length);
      mark();
    } else if (event.key === "Enter") { event.preventDefault(); choose(at); }
  });
})();
