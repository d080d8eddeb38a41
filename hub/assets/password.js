// Passwords: shown on wish; where one is chosen by somebody signed in, every rule that it does not meet yet, while typing.
import { call } from "./api.js";

/** How long the fingers rest before the hub is asked. */
const PAUSE_MS = 350;

function addButton(place) {
  const field = place.querySelector("input");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = place.dataset.show;
  button.setAttribute("aria-controls", field.id);
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    const shown = field.type === "password";
    field.type = shown ? "text" : "password";
    button.textContent = shown ? place.dataset.hide : place.dataset.show;
    button.setAttribute("aria-pressed", String(shown));
  });
  place.append(button);
  // A browser remembers passwords by their type.
  field.form.addEventListener("submit", () => {
    field.type = "password";
  });
}

function judge(field, list) {
  let timer;
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const typed = field.value;
      if (!typed) {
        list.replaceChildren();
        return;
      }
      try {
        const judgement = await call("POST", "/api/v1/people/me/password/judgement", { password: typed });
        // An answer to what was typed before is no answer.
        if (field.value !== typed) return;
        const lines = (judgement.unmet ?? []).map((rule) => {
          const line = document.createElement("li");
          line.textContent = rule.sentence ?? rule.code;
          return line;
        });
        if (lines.length === 0) {
          const line = document.createElement("li");
          line.className = "met";
          line.textContent = list.dataset.met;
          lines.push(line);
        }
        list.replaceChildren(...lines);
      } catch {
        list.replaceChildren();
      }
    }, PAUSE_MS);
  });
}

for (const place of document.querySelectorAll("[data-password]")) addButton(place);
for (const list of document.querySelectorAll("[data-judges]")) judge(document.getElementById(list.dataset.judges), list);
