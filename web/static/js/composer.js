// The composer: rich text over a plain <textarea>, drafts that save themselves, files by drag and paste, who else writes.
// Without this file the same form works with its textarea, a file field and a save button.
(() => {
  const { ask, tell } = window.Madoguchi;
  const SAVE_AFTER = 2000; // ms of rest after a change
  const HEARTBEAT = 30000;
  const AT_WORK = 180000; // a claim is kept up for so long after the last key
  const RETRY = [3000, 6000, 12000, 30000];

  function start(root) {
    if (root.dataset.started) return;
    root.dataset.started = "yes";
    const words = JSON.parse(root.dataset.words);
    const form = root.querySelector("form:not(#takeover-form)"); // that of who writes already stands before it
    const state = root.querySelector("[data-save-state]");
    const textarea = form.elements.text;
    const rev = form.elements.rev;
    const once = !root.dataset.save; // an approver's form: it is sent with a decision, and stored then
    const editor = richText(root, form, textarea, words, changed, (files) => upload(files, true));

    // -- saving

    let timer = null;
    let saving = null;
    let edits = 0; // counts changes, to know whether a save that came back is still the newest
    let saved = 0;
    let failures = 0;
    let stopped = false; // another device saved, or the form leaves
    const isDirty = () => edits !== saved;

    function changed() {
      edits += 1;
      if (stopped || once) return;
      say("pending", words.unsaved);
      clearTimeout(timer);
      timer = setTimeout(save, SAVE_AFTER);
      writing();
    }

    function body() {
      editor.sync();
      const data = new FormData(form);
      data.delete("file");
      return data;
    }

    async function save() {
      clearTimeout(timer);
      if (saving || stopped || once || !isDirty()) return saving;
      const at = edits;
      say("pending", words.saving);
      saving = ask(root.dataset.save, { method: "POST", body: body(), headers: { Accept: "application/json" } })
        .then(async (response) => {
          const told = response.headers.get("Content-Type")?.includes("json") ? await response.json() : {};
          if (response.status === 409) return conflict(told);
          if (!response.ok) {
            say("failed", told.said || words.failed);
            if (told.rev) rev.value = told.rev; // all but the refused field is kept
            if (response.status >= 500) again();
            return null;
          }
          failures = 0;
          saved = at;
          rev.value = told.rev;
          say(isDirty() ? "pending" : "saved", isDirty() ? words.unsaved : told.said);
          return null;
        })
        .catch(() => { say("failed", navigator.onLine === false ? words.offline : words.failed); again(); })
        .finally(() => { saving = null; if (isDirty() && !stopped && !failures) timer = setTimeout(save, SAVE_AFTER); });
      return saving;
    }

    function again() {
      clearTimeout(timer);
      timer = setTimeout(save, RETRY[Math.min(failures, RETRY.length - 1)]);
      failures += 1;
    }

    function say(kind, text) {
      if (state.dataset.kind === kind && state.textContent === text) return;
      state.dataset.kind = kind;
      state.textContent = text;
    }

    // the same draft was saved on another device: both stay, the person chooses
    function conflict(told) {
      stopped = true;
      say("failed", told.said || words.conflict);
      const box = root.querySelector("[data-conflict]");
      box.hidden = false;
      box.querySelector("[data-keep-mine]").onclick = () => {
        rev.value = told.rev;
        stopped = false;
        box.hidden = true;
        edits += 1;
        save();
      };
      return null;
    }

    document.querySelector("[data-mailbox]")?.addEventListener("change", () => form.requestSubmit(document.querySelector("[data-move]")));
    // before something else takes this place: false while the words are not safe on the server
    root.saveNow = async () => {
      for (let tries = 0; isDirty() && !stopped && tries < 3; tries += 1) await save();
      return !isDirty();
    };
    addEventListener("online", () => { if (isDirty()) save(); });
    document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden" && isDirty()) save(); });
    addEventListener("beforeunload", (event) => { if (isDirty() && !stopped && root.isConnected) { save(); event.preventDefault(); } });
    form.addEventListener("input", (event) => { if (!event.target.closest(".editor") && event.target.type !== "file") changed(); });
    form.addEventListener("change", (event) => { if (event.target.matches("select, [type=checkbox]")) changed(); });

    // -- leaving: a save or an upload under way is waited for, so that its words are part of what is sent

    form.addEventListener("submit", (event) => {
      if (event.submitter?.hasAttribute("data-by-enter")) { // Enter in a line of text, perhaps of an input method: it is saved anyway
        event.preventDefault();
        event.stopPropagation();
        return;
      }
      const busy = saving || uploads.size;
      if (busy) {
        event.preventDefault();
        event.stopPropagation();
        const button = event.submitter;
        say("pending", uploads.size ? words.uploading : words.saving);
        Promise.allSettled([saving, ...uploads]).then(() => form.requestSubmit(button));
        return;
      }
      editor.sync();
      clearTimeout(timer);
      stopped = true;
      clearInterval(beating);
    });
    form.addEventListener("keydown", (event) => {
      // Enter in a line of text moves on; it never sends
      if (event.key === "Enter" && !event.isComposing && event.target.matches("input[type=text], input:not([type])") && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        if (event.target.name === "when") { form.requestSubmit(form.elements.later); return; } // a time, not an address
        event.target.blur();
        editor.focus();
      }
    });

    // -- who writes: claimed at the first key, kept up while somebody types

    let beating = null;
    let lastKey = 0;
    function writing() {
      lastKey = Date.now();
      if (!root.dataset.claim || beating) return;
      claim();
      beating = setInterval(() => {
        if (root.isConnected && Date.now() - lastKey < AT_WORK) claim();
        else { clearInterval(beating); beating = null; }
      }, HEARTBEAT);
    }
    async function claim() {
      const response = await ask(root.dataset.claim, { method: "POST", body: new URLSearchParams({ draft: root.dataset.draft }) }).catch(() => null);
      if (!response?.ok) return;
      root.querySelector("[data-holder]").innerHTML = await response.text();
    }
    root.addEventListener("madoguchi:claim", () => { if (beating) claim(); });
    addEventListener("pagehide", () => {
      if (!beating) return;
      const data = new FormData();
      data.set("csrf_token", form.elements.csrf_token.value);
      navigator.sendBeacon(root.dataset.unclaim, data);
    });
    document.addEventListener("madoguchi:news", (event) => {
      if (beating && event.detail.some((one) => one.all || (one.kind === "writing" && String(one.conversation) === root.dataset.conversation))) claim();
    });

    // -- files

    const uploads = new Set();
    const list = root.querySelector("[data-files]");
    const picker = root.querySelector("[data-file-picker]");
    picker?.addEventListener("change", () => { upload([...picker.files], false); picker.value = ""; });
    root.querySelector("[data-attach]")?.addEventListener("click", () => picker.click());
    list.addEventListener("click", async (event) => {
      const button = event.target.closest("[data-remove]");
      if (!button) return;
      event.preventDefault();
      const response = await ask(button.formAction, { method: "POST" }).catch(() => null);
      if (response?.ok) { editor.dropImage(button.dataset.url); button.closest("li").remove(); }
      else tell(words.failed, "problem");
    });

    function upload(files, inline) {
      for (const file of files) {
        const one = send(file, inline && file.type.startsWith("image/")).finally(() => uploads.delete(one));
        uploads.add(one);
      }
    }

    function send(file, inline) {
      const line = document.createElement("li");
      line.className = "file file-coming";
      const name = Object.assign(document.createElement("span"), { className: "file-name", textContent: file.name });
      const bar = document.createElement("progress");
      bar.max = 1;
      bar.setAttribute("aria-label", file.name);
      line.append(name, bar);
      list.append(line);
      const refuse = (text) => {
        bar.remove();
        line.classList.add("file-refused");
        const why = Object.assign(document.createElement("span"), { className: "file-why", textContent: text });
        const away = Object.assign(document.createElement("button"), { type: "button", className: "icon-button", textContent: "×" });
        away.setAttribute("aria-label", words.remove);
        away.addEventListener("click", () => line.remove());
        line.setAttribute("role", "alert");
        line.append(why, away);
      };
      const most = Number(root.dataset.mostBytes);
      if (file.size > most) {
        refuse(words["too large"]);
        return Promise.resolve();
      }
      return new Promise((done) => {
        const request = new XMLHttpRequest();
        request.open("POST", root.dataset.upload);
        for (const [header, value] of Object.entries(window.Madoguchi.headers({ Accept: "application/json" }))) request.setRequestHeader(header, value);
        request.upload.addEventListener("progress", (event) => { if (event.lengthComputable) bar.value = event.loaded / event.total; });
        request.addEventListener("loadend", () => {
          let told = {};
          try { told = JSON.parse(request.responseText); } catch { /* not ours: a proxy's page, or nothing */ }
          if (request.status === 200) {
            line.outerHTML = told.html;
            if (inline) editor.insertImage(told.url, file.name);
          } else refuse(told.said || (request.status === 413 ? words["too large"] : words.failed));
          done();
        });
        const data = new FormData();
        data.set("file", file, file.name);
        if (inline) data.set("inline", "1");
        request.send(data);
      });
    }

    let inside = 0;
    const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
    root.addEventListener("dragenter", (event) => { if (hasFiles(event)) { inside += 1; root.classList.add("composer-drop"); } });
    root.addEventListener("dragleave", (event) => { if (hasFiles(event) && --inside <= 0) { inside = 0; root.classList.remove("composer-drop"); } });
    root.addEventListener("dragover", (event) => { if (hasFiles(event)) event.preventDefault(); });
    root.addEventListener("drop", (event) => {
      inside = 0;
      root.classList.remove("composer-drop");
      if (!hasFiles(event) || !event.dataTransfer.files.length) return;
      event.preventDefault();
      event.stopPropagation();
      upload([...event.dataTransfer.files], false);
    }, true);

    // -- addresses, and rows that open on demand

    for (const input of root.querySelectorAll("input[data-addresses]")) addresses(input, words, changed);
    for (const opener of root.querySelectorAll("[data-show-row]")) {
      opener.addEventListener("click", () => {
        const row = root.querySelector(`[data-row-of="${opener.dataset.showRow}"]`);
        row.hidden = false;
        opener.hidden = true;
        row.querySelector("input").focus();
      });
    }

    // -- what arrives while one writes: conversation.js tells us

    const arrived = root.querySelector("[data-arrived]");
    root.addEventListener("madoguchi:arrived", (event) => {
      arrived.querySelector("[data-arrived-words]").textContent = event.detail.text;
      arrived.dataset.version = event.detail.version;
      arrived.hidden = false;
    });
    arrived?.querySelector("[data-arrived-read]").addEventListener("click", () => {
      form.elements.seen_version.value = arrived.dataset.version;
      arrived.hidden = true;
      changed();
      editor.focus();
    });

    begin();
    const refused = root.querySelector("#composer-text-error"); // the field that a page without scripts focuses is hidden here
    if (refused) { editor.focus(true); refused.scrollIntoView({ block: "nearest" }); }
    function begin() {
      if (root.dataset.focus === "yes") editor.focus(true);
      else if (root.dataset.focus === "to") root.querySelector("input[name=to]")?.focus();
    }
    // a browser that goes to the address's #composer only after this takes the focus away again; what is typed then would be keys
    const untouched = new AbortController();
    root.addEventListener("focusout", (event) => { if (!event.relatedTarget && document.hasFocus()) setTimeout(begin); }, { once: true, signal: untouched.signal });
    for (const act of ["pointerdown", "keydown"]) addEventListener(act, () => untouched.abort(), { once: true, capture: true });
    document.dispatchEvent(new CustomEvent("madoguchi:composing"));
  }

  // -- rich text: Squire over the textarea

  function richText(root, form, textarea, words, changed, pastedFiles) {
    const area = root.querySelector("[data-editor]");
    const bar = root.querySelector("[data-toolbar]");
    const html = form.elements.html;
    if (!window.Squire || !window.DOMPurify || !area) {
      return { sync() {}, text: () => textarea.value, focus() { textarea.focus(); }, insertImage() {}, dropImage() {} };
    }
    textarea.hidden = true;
    textarea.disabled = true;
    html.disabled = false;
    area.hidden = false;
    bar.hidden = false;
    const squire = new window.Squire(area, { sanitizeToDOMFragment: clean, addLinks: true });
    squire.setHTML(html.value);
    const first = squire.getHTML();
    let last = first;
    squire.addEventListener("input", () => {
      pictures();
      const now = squire.getHTML();
      if (now === last) return; // Squire tells of its own first layout too
      last = now;
      changed();
    });
    squire.addEventListener("pathChange", marks);
    squire.addEventListener("select", marks);
    // "Copy image" of a browser puts a picture and HTML on the clipboard; Squire takes that for a picture and leaves it to us
    squire.addEventListener("pasteImage", (event) => pastedFiles([...event.detail.clipboardData.files]));
    area.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (event.defaultPrevented || !files.length || event.clipboardData.types.includes("text/html")) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      pastedFiles(files);
    }, true);

    // What stands in the editor is what the customer gets: no styles that only one of the two would show, no pictures from elsewhere.
    function clean(dirty) {
      const fragment = window.DOMPurify.sanitize(dirty, {
        ALLOWED_TAGS: ["a", "b", "strong", "i", "em", "u", "s", "del", "strike", "sub", "sup", "code", "pre", "br", "hr", "div", "p", "span", "h1", "h2", "h3", "h4",
          "ul", "ol", "li", "blockquote", "table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption", "img", "font", "#text"],
        ALLOWED_ATTR: ["href", "src", "alt", "width", "height", "colspan", "rowspan", "border", "align", "start", "type", "dir", "lang"],
        ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|tel:|\/drafts\/|\/approvals\/|data:image\/(?:png|gif|jpe?g|webp);)/i,
        ALLOW_DATA_ATTR: false, RETURN_DOM_FRAGMENT: true, RETURN_DOM: true,
      });
      for (const picture of fragment.querySelectorAll("img")) {
        if (!/^(\/drafts\/|\/approvals\/|data:)/.test(picture.getAttribute("src") ?? "")) picture.remove();
      }
      for (const table of fragment.querySelectorAll("table:not([border])")) table.setAttribute("border", "1");
      return document.importNode(fragment, true);
    }

    // pictures that came as data: inside pasted words are sent up like files
    function pictures() {
      for (const picture of area.querySelectorAll('img[src^="data:"]')) {
        const [, type, data] = picture.getAttribute("src").match(/^data:(image\/[a-z]+);base64,(.*)$/s) ?? [];
        picture.remove();
        if (!type) continue;
        const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
        pastedFiles([new File([bytes], `image.${type.slice(6).replace("jpeg", "jpg")}`, { type })]);
      }
    }

    const linkRow = root.querySelector("[data-link-row]");
    const linkField = linkRow.querySelector("input");
    function askForLink() {
      const at = squire.getSelection();
      const old = at.startContainer.parentElement?.closest?.(".editor a") ?? at.startContainer.closest?.(".editor a");
      linkRow.hidden = false;
      linkField.value = old?.getAttribute("href") ?? "";
      linkField.focus();
      linkRow.dataset.waiting = "yes";
    }
    function endLink(url) {
      linkRow.hidden = true;
      squire.focus();
      if (url === "") squire.removeLink();
      else if (url) squire.makeLink(/^[a-z][a-z+.-]*:/i.test(url) ? url : url.includes("@") && !url.includes("/") ? `mailto:${url}` : `https://${url}`);
    }
    linkRow.querySelector("[data-link-set]").addEventListener("click", () => endLink(linkField.value.trim()));
    linkRow.querySelector("[data-link-cancel]").addEventListener("click", () => endLink(null));
    linkField.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter") { event.preventDefault(); event.stopPropagation(); endLink(linkField.value.trim()); }
      if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); endLink(null); }
    });
    linkField.addEventListener("input", (event) => event.stopPropagation());

    const toggle = (on, add, remove) => (on ? squire[remove]() : squire[add]());
    const commands = {
      bold: () => toggle(has("B") || has("STRONG"), "bold", "removeBold"),
      italic: () => toggle(has("I") || has("EM"), "italic", "removeItalic"),
      underline: () => toggle(has("U"), "underline", "removeUnderline"),
      strike: () => toggle(has("S") || has("DEL"), "strikethrough", "removeStrikethrough"),
      list: () => toggle(has("UL"), "makeUnorderedList", "removeList"),
      numbers: () => toggle(has("OL"), "makeOrderedList", "removeList"),
      quote: () => squire.increaseQuoteLevel(),
      unquote: () => squire.decreaseQuoteLevel(),
      link: askForLink,
      code: () => squire.toggleCode(),
      clear: () => squire.removeAllFormatting(),
      undo: () => squire.undo(),
    };
    const has = (tag) => squire.hasFormat(tag) || new RegExp(`(?:^|>)${tag}(?:[.#>[]|$)`).test(squire.getPath());
    const buttons = [...bar.querySelectorAll("button")];
    for (const button of buttons) {
      button.addEventListener("mousedown", (event) => event.preventDefault()); // the selection stays
      button.addEventListener("click", () => { commands[button.dataset.do]?.(); if (button.dataset.do !== "link" && commands[button.dataset.do]) squire.focus(); });
    }
    function marks() {
      const on = { bold: has("B") || has("STRONG"), italic: has("I") || has("EM"), underline: has("U"), strike: has("S") || has("DEL"), list: has("UL"), numbers: has("OL"), link: has("A"), code: has("CODE") || has("PRE") };
      for (const button of buttons) if (button.dataset.do in on) button.setAttribute("aria-pressed", String(on[button.dataset.do]));
    }
    // one stop for Tab, arrows inside (ARIA toolbar)
    buttons.forEach((button, n) => { button.tabIndex = n ? -1 : 0; });
    bar.addEventListener("keydown", (event) => {
      const at = buttons.indexOf(document.activeElement);
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
      if (to === undefined || at < 0) return;
      event.preventDefault();
      const next = buttons[(to + buttons.length) % buttons.length];
      buttons.forEach((button) => { button.tabIndex = button === next ? 0 : -1; });
      next.focus();
    });
    bar.querySelector("[data-picture]")?.addEventListener("click", () => {
      const chooser = Object.assign(document.createElement("input"), { type: "file", accept: "image/png,image/jpeg,image/gif,image/webp", multiple: true });
      chooser.addEventListener("change", () => pastedFiles([...chooser.files]));
      chooser.click();
    });

    return {
      text: () => area.textContent,
      sync() {
        // words that an approver leaves alone are not sent: they stay as their author wrote them, to the byte
        html.disabled = !root.dataset.save && !("changed" in root.dataset) && squire.getHTML() === first;
        if (!html.disabled) html.value = empty() ? "" : squire.getHTML();
      },
      focus(atEnd = false) { squire.focus(); if (atEnd) squire.moveCursorToEnd(); area.scrollIntoView({ block: "nearest" }); },
      insertImage(url, alt) { squire.focus(); squire.insertImage(url, { alt }); changed(); },
      dropImage(url) { for (const picture of area.querySelectorAll("img")) if (picture.getAttribute("src") === url) { picture.remove(); changed(); } },
    };

    function empty() { return !area.textContent.replace(/[\u200b\s]/g, "") && !area.querySelector("img, table, hr"); }
  }

  // -- addresses: one line of text is the truth; at rest it is shown as chips

  function addresses(input, words, changed) {
    const chips = document.createElement("div");
    chips.className = "chips";
    input.after(chips);
    const show = () => {
      const parts = split(input.value);
      const rest = document.activeElement !== input && parts.length > 0;
      input.classList.toggle("under-chips", rest);
      chips.hidden = !rest;
      if (!rest) return;
      chips.replaceChildren(...parts.map((part, n) => {
        const chip = document.createElement("span");
        const { name, address } = read(part);
        chip.className = `chip${/^[^\s@<>,;"]+@[^\s@<>,;"]+$/.test(address) ? "" : " chip-wrong"}`;
        chip.title = part;
        const label = Object.assign(document.createElement("span"), { className: "chip-name", textContent: name || address });
        const away = Object.assign(document.createElement("button"), { type: "button", textContent: "×" });
        away.setAttribute("aria-label", words["remove address"].replace("{}", name ? `${name} ${address}` : address));
        away.addEventListener("click", (event) => {
          event.stopPropagation();
          input.value = parts.filter((_, m) => m !== n).join(", ");
          show();
          changed();
          (chips.querySelectorAll("button")[Math.min(n, parts.length - 2)] ?? input).focus();
        });
        chip.append(label);
        if (name) chip.append(Object.assign(document.createElement("small"), { textContent: address }));
        chip.append(away);
        return chip;
      }));
    };
    chips.addEventListener("click", () => { input.classList.remove("under-chips"); chips.hidden = true; input.focus(); input.setSelectionRange(input.value.length, input.value.length); });
    input.addEventListener("focus", show);
    input.addEventListener("blur", show);
    show();
  }

  // "a, b" → parts; commas inside quotes or <> do not count, ; 、 and line ends do
  function split(text) {
    const parts = [];
    let part = "";
    let quoted = false;
    let angle = false;
    for (const ch of text) {
      if (ch === '"') quoted = !quoted;
      else if (ch === "<") angle = true;
      else if (ch === ">") angle = false;
      if (!quoted && !angle && /[,;、，；\n]/.test(ch)) { parts.push(part.trim()); part = ""; } else part += ch;
    }
    parts.push(part.trim());
    return parts.filter(Boolean);
  }
  function read(part) {
    const found = part.match(/^\s*"?(.*?)"?\s*<([^<>]*)>\s*$/s);
    return found ? { name: found[1].replace(/\\(.)/g, "$1"), address: found[2].trim() } : { name: "", address: part };
  }

  window.Madoguchi.compose = start;
  for (const root of document.querySelectorAll("[data-composer]")) start(root);
})();
