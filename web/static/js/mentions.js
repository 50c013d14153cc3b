// Completing @names of people and teams in the field of a note: arrows choose, Enter or Tab take, Escape closes. Without it one types the name.
(() => {
  const AT = /(?:^|[^A-Za-z0-9._+\-@＠])[@＠]([^@＠\n]{0,40})$/u;
  const known = new Map(); // by address
  const folded = (text) => text.normalize("NFKC").toLowerCase().replace(/\s/gu, "");
  let open = null; // { field, list, found, at, from }

  async function names(field) {
    const url = field.dataset.mentions;
    if (!known.has(url)) {
      const response = await window.Madoguchi.ask(url).catch(() => null);
      if (!response?.ok) return [];
      known.set(url, await response.json());
    }
    return known.get(url);
  }

  async function look(field) {
    const upTo = field.value.slice(0, field.selectionStart);
    const said = AT.exec(upTo)?.[1];
    if (said === undefined) return close();
    const sought = folded(said);
    const found = (await names(field))
      .filter((one) => folded(one.name).includes(sought) || (one.handle && folded(one.handle).startsWith(sought)))
      .sort((a, b) => folded(b.name).startsWith(sought) - folded(a.name).startsWith(sought))
      .slice(0, 8);
    if (!field.isConnected || field.value.slice(0, field.selectionStart) !== upTo) return;
    if (!found.length || found.some((one) => one.name === said.trimEnd() && said !== said.trimEnd())) return close();
    show(field, found, upTo.length - said.length);
  }

  function show(field, found, from) {
    if (open?.field !== field) {
      close();
      const list = document.createElement("ul");
      list.id = "mentions-list";
      list.className = "mentions-list";
      list.setAttribute("role", "listbox");
      list.setAttribute("aria-label", field.dataset.mentionsLabel);
      field.after(list);
      field.setAttribute("aria-controls", list.id);
      field.setAttribute("aria-autocomplete", "list");
      open = { field, list };
    }
    open.found = found;
    open.from = from;
    open.list.replaceChildren(...found.map((one, n) => {
      const line = document.createElement("li");
      line.id = `mentions-${n}`;
      line.setAttribute("role", "option");
      const handle = document.createElement("span");
      handle.className = "quiet";
      handle.textContent = one.team ?? `@${one.handle}`;
      line.append(one.name, " ", handle);
      line.addEventListener("pointerdown", (event) => { event.preventDefault(); take(n); });
      return line;
    }));
    choose(0);
  }

  function choose(n) {
    open.at = (n + open.found.length) % open.found.length;
    [...open.list.children].forEach((line, m) => line.setAttribute("aria-selected", String(m === open.at)));
    open.field.setAttribute("aria-activedescendant", `mentions-${open.at}`);
  }

  function take(n) {
    const { field, from, found } = open;
    field.setRangeText(`${found[n].name} `, from, field.selectionStart, "end");
    close();
    field.focus();
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function close() {
    if (!open) return;
    open.field.removeAttribute("aria-activedescendant");
    open.field.removeAttribute("aria-controls");
    open.list.remove();
    open = null;
  }

  document.addEventListener("input", (event) => {
    if (event.target.matches("textarea[data-mentions]") && !event.isComposing) look(event.target);
  });
  document.addEventListener("compositionend", (event) => { if (event.target.matches("textarea[data-mentions]")) look(event.target); });
  document.addEventListener("keydown", (event) => {
    if (!open || event.target !== open.field || event.isComposing) return;
    const does = {
      ArrowDown: () => choose(open.at + 1),
      ArrowUp: () => choose(open.at - 1),
      Enter: () => take(open.at),
      Tab: () => take(open.at),
      Escape: close,
    }[event.key];
    if (!does || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    does();
  }, true);
  document.addEventListener("focusout", (event) => { if (open?.field === event.target) close(); });
})();
