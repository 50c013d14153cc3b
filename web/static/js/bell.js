// The bell over other windows, where the person allowed that in this browser. One tab of all that are open listens, also in the
// background, where the page's own stream rests; the server says what is shown, several things at once as one.
(() => {
  const { ask } = window.Madoguchi;
  const bell = document.querySelector("[data-bell]");
  const KEY = "madoguchi.browser"; // "on" when the person switched it on here
  const LAST = "madoguchi.told"; // number of the last one shown
  const SHOWN = "madoguchi.told.at"; // when that was, in milliseconds since 1970
  const SPACING = 10_000; // milliseconds from one to the next: what happens meanwhile is one
  const can = () => "Notification" in window && "locks" in navigator; // both only over https or on this computer
  const isOn = () => can() && Notification.permission === "granted" && localStorage.getItem(KEY) === "on";
  const number = (key) => Number(localStorage.getItem(key) ?? 0);

  async function look(show) {
    const response = await ask(`${bell.dataset.bell}?after=${number(LAST)}`).catch(() => null);
    const fresh = response?.ok ? await response.json().catch(() => null) : null;
    if (!fresh || !isOn()) return;
    localStorage.setItem(LAST, String(fresh.id));
    if (!show) return;
    localStorage.setItem(SHOWN, String(Date.now()));
    const told = notify(fresh);
    told?.addEventListener("click", () => { window.focus(); told.close(); location.assign(fresh.url); });
  }

  function notify(fresh) {
    try {
      return new Notification(fresh.title, { body: fresh.body, tag: fresh.tag, renotify: true });
    } catch { // phones show none from a page
      localStorage.removeItem(KEY);
      return null;
    }
  }

  // -- the tab that listens

  let timer = null;
  let stream = null;

  function soon() {
    timer ??= setTimeout(() => { timer = null; look(true); }, Math.max(200, number(SHOWN) + SPACING - Date.now()));
  }

  function hear(news) {
    if (isOn() && news.some((one) => one.all || one.kind === "bell")) soon();
  }

  function mind() {
    stream?.close();
    stream = document.hidden ? new EventSource("/events") : null;
    stream?.addEventListener("news", (event) => hear(JSON.parse(event.data)));
    stream?.addEventListener("open", soon); // what happened while nobody listened
    stream?.addEventListener("ended", () => stream.close());
  }

  let listening = false;
  function listen() { // until the tab closes; then another one does
    if (listening) return;
    listening = true;
    navigator.locks.request("madoguchi.bell", () => new Promise(() => {
      document.addEventListener("visibilitychange", mind);
      document.addEventListener("madoguchi:news", (event) => hear(event.detail));
      mind();
      soon();
    }));
  }

  if (isOn()) listen();

  window.Madoguchi.browser = {
    can,
    isOn,
    async on() { // only from a click: browsers refuse to ask otherwise
      const answer = await Notification.requestPermission();
      if (answer !== "granted") return;
      localStorage.setItem(KEY, "on");
      await look(false); // what stands at the bell already is not news
      listen();
    },
    off() { localStorage.removeItem(KEY); },
  };
})();
