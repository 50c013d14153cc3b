// The rule editor redraws itself when a choice needs other fields, and the list of rules is ordered by dragging. Without
// this file buttons do the same.
(() => {
  document.documentElement.classList.add("is-scripted");
  const place = document.getElementById("rule-place");
  let asked = 0;

  // Sends what is typed and sets in the form that comes back; nothing is stored.
  async function redraw(form, change, focus) {
    const mine = ++asked;
    const body = new FormData(form);
    body.set("change", change);
    const response = await Madoguchi.ask(form.action, { method: "POST", body }).catch(() => null);
    if (!response?.ok) return Madoguchi.tell(Madoguchi.words.failed, "problem");
    const html = await response.text();
    if (mine !== asked) return;
    const before = new Set([...form.elements].map((one) => one.id).filter(Boolean));
    place.innerHTML = html;
    const now = place.querySelector("form");
    const fresh = [...now.elements].find((one) => one.id && !before.has(one.id) && one.type !== "hidden");
    const wanted = focus && document.getElementById(focus);
    (change.startsWith("remove") ? now.querySelector(".rule-end button") : wanted || fresh)?.focus();
  }

  place?.addEventListener("change", (event) => {
    if (event.target.matches("[data-redraw]")) redraw(event.target.form, "show", event.target.id);
  });
  place?.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (button?.name !== "change") return;
    event.preventDefault();
    redraw(event.target, button.value, "");
  });

  // -- the list

  const list = document.querySelector("[data-order]");
  let dragged = null;
  list?.addEventListener("dragstart", (event) => {
    dragged = event.target.closest?.("[data-rule]");
    dragged?.classList.add("is-dragged");
    event.dataTransfer.effectAllowed = "move";
  });
  list?.addEventListener("dragover", (event) => {
    const over = event.target.closest("[data-rule]");
    if (!dragged || !over || over === dragged) return;
    event.preventDefault();
    const box = over.getBoundingClientRect();
    over[event.clientY > box.top + box.height / 2 ? "after" : "before"](dragged);
  });
  list?.addEventListener("drop", (event) => event.preventDefault());
  list?.addEventListener("dragend", async () => {
    dragged?.classList.remove("is-dragged");
    dragged = null;
    const body = new FormData();
    body.set("ids", [...list.querySelectorAll("[data-rule]")].map((one) => one.dataset.rule).join(","));
    const response = await Madoguchi.ask(list.dataset.order, { method: "POST", body }).catch(() => null);
    if (response?.ok) location.reload();
    else Madoguchi.tell(Madoguchi.words.failed, "problem");
  });
})();
