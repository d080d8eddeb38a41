// What happens in the house shows on the page without a reload: one stream for all of it. The browser resumes by itself where
// the stream broke off (Last-Event-ID). A part of the page is asked for anew rather than drawn here: one place makes the
// words. Only how properties stand is written here, each at most four times a second, with words that came with the page.

const PAUSE_MS = 800;
// A hub that does not answer is asked again: what it has to say may be a danger.
const AGAIN_MS = 5000;
const STATES_EVERY_MS = 250;
const language = document.documentElement.lang;

const places = [...document.querySelectorAll("[data-live]")];
const kinds = new Map();
for (const place of places) {
  for (const kind of place.dataset.live.split(" ")) kinds.set(kind, [...(kinds.get(kind) || []), place]);
}

const due = new Set();
let asking;

async function ask() {
  asking = undefined;
  const pages = new Map();
  // What is the same on every page is asked for where it costs little, and where this page was the answer to a form.
  for (const place of due) {
    const from = place.dataset.from || window.location.href;
    pages.set(from, [...(pages.get(from) || []), place]);
  }
  due.clear();
  for (const [from, wanted] of pages) {
    renew(from, wanted).catch(() => setTimeout(() => wanted.forEach(soon), AGAIN_MS));
  }
}

async function renew(from, wanted) {
  const answer = await fetch(from, {
    credentials: "same-origin",
    cache: "no-store",
    // Nobody has touched the page: a PIN on the wall is not to be kept alive by it.
    headers: { "x-domovoi-resting": "1" },
  });
  if (answer.status >= 500) throw new Error(answer.statusText);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const place of wanted) {
    const fresh = page.getElementById(place.id);
    if (!fresh) continue;
    const held = place.contains(document.activeElement) ? document.activeElement : null;
    // Nothing is taken out of somebody's hands: a part in which somebody types waits until they are done.
    if (held?.matches("input, select, textarea")) {
      held.addEventListener("blur", () => soon(place), { once: true });
      continue;
    }
    // A heading or a button that merely has the focus keeps no danger from being shown: the focus is where it was.
    const named = held && name(held);
    const before = dangers(place);
    place.replaceChildren(...fresh.childNodes);
    if (dangers(place) > before) place.scrollIntoView();
    if (named) [...place.querySelectorAll(held.tagName)].find((one) => name(one) === named)?.focus({ preventScroll: true });
  }
}

// A new one is to be seen, wherever on the page somebody has come to.
function dangers(place) {
  return place.querySelectorAll("[data-danger]").length;
}

// What an element is, whatever is written on it now.
function name(element) {
  const { id, dataset, form } = element;
  const value = dataset.turns || element.getAttribute("value");
  return JSON.stringify([id, element.getAttribute("href"), form?.getAttribute("action"), element.name, value]);
}

function soon(place) {
  due.add(place);
  asking ??= setTimeout(ask, PAUSE_MS);
}

function written(text) {
  // An exact decimal keeps its digits; only their spelling is the language's.
  const digits = (text.split(".")[1] || "").length;
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number) || digits > 15) return text;
  return new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(number);
}

function show(place, state) {
  if (state.value === "true" || state.value === "false") {
    place.textContent = state.value === "true" ? place.dataset.yes : place.dataset.no;
    return;
  }
  place.textContent = written(state.value);
  if (place.dataset.unit) {
    const unit = document.createElement("small");
    unit.textContent = place.dataset.unit;
    place.append(" ", unit);
  }
}

const states = new Map();
let showing;

function showStates() {
  showing = undefined;
  for (const place of document.querySelectorAll("[data-state]")) {
    const state = states.get(place.dataset.state);
    if (state && state.value !== null) show(place, state);
  }
  for (const button of document.querySelectorAll("[data-turns]")) {
    const state = states.get(button.dataset.turns);
    if (!state || (state.value !== "true" && state.value !== "false")) continue;
    const on = state.value === "true";
    button.value = on ? "off" : "on";
    button.firstChild.textContent = on ? button.dataset.off : button.dataset.on;
  }
  states.clear();
}

function follow() {
  const wanted = [...kinds.keys()];
  const states_too = document.querySelector("[data-states]") !== null;
  if (states_too && !wanted.includes("state")) wanted.push("state");
  if (wanted.length === 0) return;
  const stream = new EventSource(`/api/v1/events?kinds=${wanted.join(",")}`);
  // After a break nobody knows what was missed.
  for (const kind of [...kinds.keys(), "reset"]) {
    stream.addEventListener(kind, () => {
      for (const place of kinds.get(kind) || places) soon(place);
    });
  }
  if (states_too) {
    stream.addEventListener("state", (event) => {
      const state = JSON.parse(event.data);
      states.set(`${state.device}|${state.property}`, state);
      showing ??= setTimeout(showStates, STATES_EVERY_MS);
    });
  }
  window.addEventListener("pagehide", () => stream.close());
}

if ("EventSource" in window) follow();
