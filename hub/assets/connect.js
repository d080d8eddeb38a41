// The check of a connection goes on by itself: the hub answers when something has moved, and the page's part is asked for
// anew. A photo is looked through as soon as it is taken.
import { call } from "./api.js";

const PAUSE_MS = 3000;

async function renew(place) {
  const answer = await fetch(`/connections/${place.dataset.connection}`, { credentials: "same-origin", cache: "no-store" });
  if (!answer.ok) return false;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("progress");
  if (!fresh) return false;
  // Nothing is taken out of somebody's hands.
  if (place.contains(document.activeElement) && fresh.dataset.stateNow === place.dataset.stateNow) return true;
  place.dataset.stateNow = fresh.dataset.stateNow;
  if (fresh.dataset.over) place.dataset.over = fresh.dataset.over;
  place.replaceChildren(...fresh.childNodes);
  return true;
}

async function watch(place) {
  while (!place.dataset.over) {
    const seen = place.dataset.stateNow;
    try {
      const now = await call("GET", `/api/v1/connections/${place.dataset.connection}?wait=25&state=${seen}`);
      if (now.state !== seen || now.state === "done") await renew(place);
      // Somebody may be choosing a name: what is found stays until they are done.
      if (now.state === "found") await new Promise((go) => setTimeout(go, PAUSE_MS));
    } catch {
      await new Promise((go) => setTimeout(go, PAUSE_MS));
    }
  }
}

for (const place of document.querySelectorAll("[data-connection]")) watch(place);

for (const form of document.querySelectorAll("[data-photo]")) {
  form.querySelector("input[type=file]").addEventListener("change", () => form.requestSubmit());
}
