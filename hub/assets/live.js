// What happens in the house shows on the page without a reload. The browser resumes by itself where the stream broke off
// (Last-Event-ID); the page is asked for anew rather than drawn here: one place makes the words.

const PAUSE_MS = 800;

function follow(place) {
  const wanted = place.dataset.live.split(" ");
  const stream = new EventSource("/api/v1/events");
  let timer;
  const again = () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const answer = await fetch(window.location.href, {
        credentials: "same-origin",
        cache: "no-store",
        // Nobody has touched the page: a PIN on the wall is not to be kept alive by it.
        headers: { "x-domovoi-resting": "1" },
      });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById(place.id);
      // Nothing is taken out of somebody's hands: a part with the focus in it waits.
      if (fresh && !place.contains(document.activeElement)) place.replaceChildren(...fresh.childNodes);
    }, PAUSE_MS);
  };
  for (const kind of wanted) stream.addEventListener(kind, again);
  window.addEventListener("pagehide", () => stream.close());
}

if ("EventSource" in window) {
  for (const place of document.querySelectorAll("[data-live]")) follow(place);
}
