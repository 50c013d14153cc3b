// Signatures with bold, italics and links: a <textarea data-rich> becomes an editor. Without this file its HTML is edited as text.
(() => {
  if (!window.Squire || !window.DOMPurify) return;
  for (const area of document.querySelectorAll("textarea[data-rich]")) start(area);

  function start(area) {
    const box = document.createElement("div");
    box.className = "form-control rich";
    box.setAttribute("role", "textbox");
    box.setAttribute("aria-multiline", "true");
    const label = document.querySelector(`label[for="${area.id}"]`);
    label.id ||= `${area.id}-label`;
    box.setAttribute("aria-labelledby", label.id);
    label.addEventListener("click", () => editor.focus());
    area.hidden = true;
    area.after(box);
    const editor = new window.Squire(box, {
      blockTag: "DIV",
      sanitizeToDOMFragment: (html) => document.importNode(window.DOMPurify.sanitize(html, { RETURN_DOM_FRAGMENT: true, WHOLE_DOCUMENT: false, FORBID_TAGS: ["style"], FORBID_ATTR: ["style"] }), true),
    });
    editor.setHTML(area.value || "");
    box.before(bar(area, editor));
    // only what somebody changed is written back: opening a page must not reword a signature. The editor also tells of
    // attributes that a spelling extension of the browser sets.
    const first = editor.getHTML();
    let touched = false;
    editor.addEventListener("input", () => {
      if (!touched && editor.getHTML() === first) return;
      touched = true;
      const own = area.form.elements.own;
      if (own) own.checked = true;
    });
    area.form.addEventListener("submit", () => {
      if (touched) area.value = box.textContent.trim() || box.querySelector("img") ? editor.getHTML() : "";
    });
  }

  function bar(area, editor) {
    const made = document.createElement("div");
    made.className = "rich-bar";
    const button = (label, icon, act) => {
      const one = document.createElement("button");
      one.type = "button";
      one.className = "icon-button";
      one.title = label;
      one.setAttribute("aria-label", label);
      const use = document.querySelector(".icon use").getAttribute("href").split("#")[0];
      one.innerHTML = `<svg class="icon" aria-hidden="true"><use href="${use}#${icon}"></use></svg>`;
      one.addEventListener("mousedown", (event) => event.preventDefault());
      one.addEventListener("click", act);
      made.append(one);
    };
    button(area.dataset.bold, "bold", () => (editor.hasFormat("B") ? editor.removeBold() : editor.bold()));
    button(area.dataset.italic, "italic", () => (editor.hasFormat("I") ? editor.removeItalic() : editor.italic()));
    button(area.dataset.link, "link", () => {
      if (editor.hasFormat("A")) return editor.removeLink();
      const address = prompt(area.dataset.linkAsk, "https://");
      if (address && /^(https?:|mailto:)/i.test(address)) editor.makeLink(address);
    });
    return made;
  }
})();
