// Runs before the first paint, so that nobody sees the wrong theme flash by.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  if (root.dataset.theme !== "auto") return;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const choose = () => { root.dataset.bsTheme = dark.matches ? "dark" : "light"; };
  choose();
  dark.addEventListener("change", choose);
})();
