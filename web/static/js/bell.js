// The bell: a tab that is open shows what is new over other windows, where the person allowed that in this browser.
(() => {
  const { ask } = window.Madoguchi;
  const bell = document.querySelector("[data-bell]");
  const KEY = "madoguchi.browser"; // "on" when the person switched it on here
  const LAST = "madoguchi.told"; // number of the last one shown: one of several open tabs shows it
  const isOn = () => "Notification" in window && Notification.permission === "granted" && localStorage.getItem(KEY) === "on";
  const last = () => Number(localStorage.getItem(LAST) ?? 0);

  async function look(show) {
    const response = await ask(`${bell.dataset.bell}?after=${last()}`).catch(() => null);
    if (!response?.ok) return;
    const fresh = (await response.json()).filter((one) => one.id > last());
    if (!fresh.length) return;
    localStorage.setItem(LAST, String(fresh[0].id));
    if (!show) return;
    for (const one of fresh.reverse()) {
      const told = new Notification(one.title, { body: one.body, tag: one.tag });
      told.addEventListener("click", () => { window.focus(); location.assign(one.url); });
    }
  }

  let soon = null;
  const lookOnce = (show) => { soon ??= setTimeout(() => { soon = null; turn(() => look(show)); }, 100 + Math.random() * 200); };
  const turn = (run) => (navigator.locks ? navigator.locks.request("madoguchi.told", run) : run());
  document.addEventListener("madoguchi:news", (event) => {
    if (isOn() && event.detail.some((one) => one.kind === "bell")) lookOnce(true);
  });

  window.Madoguchi.browser = {
    isOn,
    async on() { // only from a click: browsers refuse to ask otherwise
      const answer = await Notification.requestPermission();
      if (answer !== "granted") return answer;
      localStorage.setItem(KEY, "on");
      await turn(() => look(false)); // what stands at the bell already is not news
      return answer;
    },
    off() { localStorage.removeItem(KEY); },
  };
})();
