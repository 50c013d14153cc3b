// The mailbox form: trying the settings without leaving the page, folders by tick, fields that only one choice needs.
// Without this file the same buttons load the page anew with the result in it.
(() => {
  const { ask, tell, words } = window.Madoguchi;
  const form = document.getElementById("settings");
  const result = form.querySelector("[data-result]");

  // -- fields of one choice

  for (const part of form.querySelectorAll("[data-only-if]")) {
    const choice = form.elements[part.dataset.onlyIf];
    const show = () => { part.hidden = choice.value !== part.dataset.onlyValue; };
    choice.addEventListener("change", show);
    show();
  }

  // -- usual ports follow the encryption while nobody typed another one

  const usual = { imap: { tls: "993", starttls: "143", plain: "143" }, smtp: { tls: "465", starttls: "587", plain: "587" } };
  for (const side of ["imap", "smtp"]) {
    form.elements[`${side}_security`].addEventListener("change", (event) => {
      const port = form.elements[`${side}_port`];
      if (Object.values(usual[side]).includes(port.value.trim())) port.value = usual[side][event.target.value];
    });
  }

  // -- folders

  form.addEventListener("change", (event) => {
    if (!event.target.matches("[data-folder]")) return;
    const lines = form.elements.folders instanceof RadioNodeList ? document.getElementById("folders") : form.elements.folders;
    const named = new Set(lines.value.split("\n").map((line) => line.trim()).filter(Boolean));
    if (event.target.checked) named.add(event.target.value); else named.delete(event.target.value);
    lines.value = [...named].join("\n");
  });

  // -- trying

  let busy = false;
  form.addEventListener("submit", async (event) => {
    const button = event.submitter;
    if (busy) { event.preventDefault(); return; }
    if (!button?.matches("[data-trial]") || form.dataset.plain) { wait(button); return; }
    event.preventDefault();
    busy = true;
    const back = wait(button);
    const response = await ask(button.formAction, { method: "POST", body: new FormData(form) }).catch(() => null);
    busy = false;
    back();
    delete form.dataset.sent;
    if (response?.status === 400) { form.dataset.plain = "yes"; form.requestSubmit(button); return; } // the page with the error at its field
    if (!response?.ok) { tell(words.failed, "problem"); return; }
    result.innerHTML = await response.text();
    result.focus({ preventScroll: true });
    result.scrollIntoView({ block: "nearest", behavior: "smooth" });
  });

  function wait(button) {
    if (!button?.dataset.busy) return () => {};
    const label = button.lastChild;
    const before = label.textContent;
    label.textContent = ` ${button.dataset.busy}`;
    button.setAttribute("aria-disabled", "true");
    button.classList.add("is-busy");
    return () => { label.textContent = before; button.removeAttribute("aria-disabled"); button.classList.remove("is-busy"); };
  }
})();
