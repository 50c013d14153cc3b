// Who signs in here next must not see what the one before had opened (the palette's titles of conversations).
(() => {
  try { localStorage.removeItem("madoguchi.recent"); } catch { /* no storage, nothing kept */ }
})();
