// The choice whether this browser shows notifications. Permission is asked for on a click alone.
(() => {
  const { browser, say } = window.Madoguchi;
  const box = document.querySelector("[data-browser]");
  const part = (name) => box.querySelector(`[data-browser-${name}]`);

  function show() {
    const can = browser.can();
    const blocked = can && Notification.permission === "denied";
    const isOn = browser.isOn();
    part("missing").hidden = can || !window.isSecureContext;
    part("insecure").hidden = window.isSecureContext;
    part("blocked").hidden = !blocked;
    part("on").hidden = !can || blocked || isOn;
    part("off").hidden = part("on-now").hidden = !isOn;
    box.hidden = false;
  }

  part("on").addEventListener("click", async () => {
    await browser.on();
    show();
    const told = browser.isOn() ? part("on-now") : part("blocked");
    if (!told.hidden) say(told.textContent);
    (browser.isOn() ? part("off") : part("on")).focus();
  });
  part("off").addEventListener("click", () => { browser.off(); show(); part("on").focus(); });
  show();
})();
