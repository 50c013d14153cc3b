// Buttons that copy a field: <button data-copy="field-id" data-copied="Copied">.
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  field.select();
  try { await navigator.clipboard.writeText(field.value); } catch { document.execCommand("copy"); } // no clipboard without https
  window.Madoguchi.tell(button.dataset.copied, "done");
});
