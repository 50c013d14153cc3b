// The list: moving and choosing by keys, bulk changes, and rows that change while one looks.
(() => {
  const list = document.querySelector("[data-rows]");
  if (!list) return;
  const { words, ask, keys, say } = window.Madoguchi;
  const live = !list.hasAttribute("data-fixed");
  const rows = () => [...list.querySelectorAll("[data-row]")];
  const linkOf = (row) => row.querySelector(".row-link");
  const here = () => document.activeElement?.closest?.("[data-row]") ?? null;

  // -- keys

  let last = sessionStorage.getItem("madoguchi.row");
  function go(step) {
    const all = rows();
    if (!all.length) return;
    let at = all.indexOf(here());
    if (at < 0) at = all.findIndex((row) => row.dataset.row === last) - (step > 0 ? 1 : -1) || (step > 0 ? -1 : all.length);
    if (at < -1) at = -1;
    const row = all[Math.min(all.length - 1, Math.max(0, at + step))];
    linkOf(row).focus();
    row.scrollIntoView({ block: "nearest" });
    remember(row);
  }
  function remember(row) { last = row.dataset.row; sessionStorage.setItem("madoguchi.row", last); }
  keys("j|ArrowDown", words.keys.next, words.keys.list, () => go(1));
  keys("k|ArrowUp", words.keys.previous, words.keys.list, () => go(-1));
  keys("o|Enter", words.keys.open, words.keys.list, () => { const row = here() ?? rows()[0]; if (row) linkOf(row).click(); });
  if (document.querySelector("[data-bulk]")) keys("x", words.keys.choose, words.keys.list, () => {
    const box = (here() ?? rows()[0])?.querySelector("input[type=checkbox]");
    if (box) { box.checked = !box.checked; count(); }
  });
  list.addEventListener("click", (event) => { const row = event.target.closest("[data-row]"); if (row) remember(row); });
  const back = last && document.getElementById(`c${last}`);
  if (back && document.referrer.includes("/conversations/")) linkOf(back).focus({ preventScroll: false });

  // -- choosing several

  const head = document.querySelector("[data-list-head]");
  const bulk = document.querySelector("[data-bulk]");
  let current = null; // the row that keys act on while nothing is chosen
  if (bulk) {
    const all = bulk.querySelector("[data-choose-all]");
    all.addEventListener("change", () => { for (const box of boxes()) box.checked = all.checked; count(); });
    list.addEventListener("change", count);
    list.addEventListener("focusin", (event) => { current = event.target.matches(".row-link:focus-visible") ? here() : current; count(); });
    // pressing a button with the mouse leaves the focus on the row that it is meant for
    bulk.addEventListener("mousedown", (event) => { if (event.target.closest("button, summary")) event.preventDefault(); });
    for (const place of [list, head]) {
      place.addEventListener("focusout", () => setTimeout(() => {
        if (!here() && !head.contains(document.activeElement)) current = null;
        count();
      }));
    }
    bulk.addEventListener("submit", () => {
      const box = current?.querySelector("input[type=checkbox]");
      if (box && !boxes().some((one) => one.checked)) box.checked = true;
    });
    count();
  }
  function boxes() { return [...list.querySelectorAll("input[name=id]")]; }
  function count() {
    if (!bulk) return;
    const chosen = boxes().filter((box) => box.checked).length;
    head.classList.toggle("bulk-on", chosen > 0 || current !== null);
    bulk.querySelector("[data-bulk-count]").textContent = chosen ? words.selected.replace("{}", chosen) : "";
    const all = bulk.querySelector("[data-choose-all]");
    all.checked = chosen > 0 && chosen === boxes().length;
    all.indeterminate = chosen > 0 && !all.checked;
  }

  // -- what others do

  if (!live) return;
  const fresh = document.querySelector("[data-fresh]");
  const empty = document.querySelector("[data-empty]");
  const held = new Map(); // new rows that wait for a click, so that nothing jumps under the pointer
  const pending = new Set();
  let timer = null;
  let pointerInside = false;
  list.addEventListener("pointerenter", (event) => { pointerInside = event.pointerType === "mouse"; });
  list.addEventListener("pointerleave", () => { pointerInside = false; });

  document.addEventListener("madoguchi:news", (event) => {
    for (const one of event.detail) {
      if (one.all) for (const row of rows()) pending.add(row.dataset.row);
      else if (one.conversation) pending.add(String(one.conversation));
    }
    if (event.detail.some((one) => one.all)) { refetch(); return; }
    if (pending.size) timer ??= setTimeout(update, 60);
  });

  async function update() {
    timer = null;
    const ids = [...pending].slice(0, 100);
    ids.forEach((id) => pending.delete(id));
    const asked = new URL(list.dataset.url, location.href);
    for (const id of ids) asked.searchParams.append("id", id);
    const response = await ask(asked).catch(() => null);
    if (!response?.ok) return;
    place(ids, await response.text());
    if (pending.size) timer ??= setTimeout(update, 60);
  }

  // the whole first page anew, after a long silence
  async function refetch() {
    pending.clear();
    const response = await ask(location.href).catch(() => null);
    if (!response?.ok) return;
    const found = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("[data-rows]");
    if (!found) return;
    const ids = new Set([...rows(), ...found.querySelectorAll("[data-row]")].map((row) => row.dataset.row));
    place([...ids], found.innerHTML);
  }

  function place(ids, html) {
    const parsed = new DOMParser().parseFromString(`<ol>${html}</ol>`, "text/html");
    const found = new Map([...parsed.querySelectorAll("[data-row]")].map((row) => [row.dataset.row, document.importNode(row, true)]));
    for (const id of ids) {
      const old = document.getElementById(`c${id}`);
      const now = found.get(id);
      if (old && now) renew(old, now);
      else if (old) leave(old);
      else if (now) arrive(id, now);
      else held.delete(id);
    }
    showHeld();
    empty.hidden = rows().length > 0;
    count();
    document.dispatchEvent(new CustomEvent("madoguchi:shown"));
  }

  function renew(old, now) {
    const focused = old.contains(document.activeElement) ? document.activeElement.className : null;
    now.querySelector("input[type=checkbox]").checked = old.querySelector("input[type=checkbox]").checked;
    const moves = key(now) > key(old) && !pointerInside && list.dataset.first === "yes";
    old.replaceWith(now);
    if (moves) insert(now);
    if (current === old) current = now;
    if (focused) now.getElementsByClassName(focused)[0]?.focus({ preventScroll: true });
  }

  function leave(old) {
    if (old.contains(document.activeElement)) { const next = old.nextElementSibling ?? old.previousElementSibling; if (next) linkOf(next).focus(); }
    if (pointerInside) {
      old.classList.add("row-gone");
      list.addEventListener("pointerleave", () => old.remove(), { once: true });
    } else old.remove();
  }

  function arrive(id, row) {
    if (list.dataset.first !== "yes") return;
    say(words["new mail"].replace("{}", titleOf(row)));
    if (pointerInside || scrollY > 80) { held.set(id, row); return; }
    held.delete(id);
    row.classList.add("row-fresh");
    insert(row);
  }

  // in its place; newest first, or longest waiting first
  const key = (row) => (list.dataset.order === "waiting" ? -(row.dataset.waits ?? 1e11) : Number(row.dataset.at));
  function insert(row) {
    const after = rows().find((one) => one !== row && key(one) < key(row));
    list.insertBefore(row, after ?? null);
  }

  const titleOf = (row) => `${row.querySelector(".row-names").textContent} · ${row.querySelector(".row-subject").textContent}`;
  function showHeld() {
    fresh.hidden = held.size === 0;
    if (!held.size) return;
    const [row] = [...held.values()].slice(-1);
    fresh.textContent = held.size === 1
      ? words["new mail"].replace("{}", titleOf(row))
      : words["new mails"].replace("{}", held.size);
  }
  fresh.addEventListener("click", () => {
    for (const row of held.values()) { row.classList.add("row-fresh"); insert(row); }
    held.clear();
    showHeld();
    empty.hidden = true;
    scrollTo({ top: 0 });
    document.dispatchEvent(new CustomEvent("madoguchi:shown"));
  });
})();
