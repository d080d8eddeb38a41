// A new phone or tablet waits until somebody approves it on another device.
import { call } from "./api.js";

const EVERY_MS = 2000;

function wait(place) {
  const look = async () => {
    try {
      const state = await call("POST", "/api/v1/pairings/state", { secret: place.dataset.secret });
      if (state.state === "approved") window.location.assign("/");
      else if (state.state === "over") window.location.assign("/sign-in/device");
      else setTimeout(look, EVERY_MS);
    } catch {
      setTimeout(look, EVERY_MS * 3);
    }
  };
  setTimeout(look, EVERY_MS);
}

for (const place of document.querySelectorAll("[data-pairing]")) wait(place);
