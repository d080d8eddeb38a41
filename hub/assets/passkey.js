// Passkeys: signing in, the second factor, and making a new one. Buttons that need this script are hidden in the page and
// shown here, where the browser can do it.
import { call, toBytes, toText } from "./api.js";

const able = window.isSecureContext && "PublicKeyCredential" in window;

/** Options of the hub as the browser wants them. Browsers of before 2025 have no parser for the JSON form. */
function parsed(options, making) {
  const wanted = options.publicKey ?? options;
  const parse = making ? "parseCreationOptionsFromJSON" : "parseRequestOptionsFromJSON";
  if (typeof PublicKeyCredential[parse] === "function") return PublicKeyCredential[parse](wanted);
  const list = (items) => (items ?? []).map((item) => ({ ...item, id: toBytes(item.id) }));
  const out = { ...wanted, challenge: toBytes(wanted.challenge) };
  if (wanted.user) out.user = { ...wanted.user, id: toBytes(wanted.user.id) };
  if (wanted.excludeCredentials) out.excludeCredentials = list(wanted.excludeCredentials);
  if (wanted.allowCredentials) out.allowCredentials = list(wanted.allowCredentials);
  return out;
}

/** A credential as JSON, likewise. */
function json(credential) {
  if (typeof credential.toJSON === "function") return credential.toJSON();
  const response = {};
  const from = credential.response;
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (from[name]) response[name] = toText(from[name]);
  }
  if (typeof from.getTransports === "function") response.transports = from.getTransports();
  return {
    id: credential.id,
    rawId: toText(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response,
  };
}

function say(place, error, failed) {
  const line = place.querySelector('[role="alert"]');
  // Somebody who closed the browser's window knows that they did.
  const closed = error.name === "NotAllowedError" || error.name === "AbortError";
  line.textContent = failed;
  line.hidden = closed;
}

let waiting = new AbortController();

/** Asks for a passkey. A quiet wish of the autofill ends when somebody presses the button. */
async function ask(options, mediation) {
  waiting.abort();
  waiting = new AbortController();
  const wish = { publicKey: parsed(options, false), signal: waiting.signal };
  if (mediation) wish.mediation = mediation;
  return json(await navigator.credentials.get(wish));
}

async function signIn(place, mediation) {
  const challenge = await call("POST", "/api/v1/sign-in/passkey/challenge", {});
  const response = await ask(challenge.options, mediation);
  await call("POST", "/api/v1/sign-in/passkey", { pending: challenge.pending, response });
  window.location.assign(place.dataset.next || "/");
}

async function offerInAutofill(place) {
  const known = PublicKeyCredential.isConditionalMediationAvailable;
  if (typeof known === "function" && (await known.call(PublicKeyCredential))) await signIn(place, "conditional");
}

function prepareSignIn(place) {
  place.hidden = false;
  place.querySelector("button").addEventListener("click", async (event) => {
    event.currentTarget.disabled = true;
    const button = event.currentTarget;
    try {
      await signIn(place);
    } catch (error) {
      say(place, error, place.dataset.failed);
      button.disabled = false;
    }
  });
  offerInAutofill(place).catch(() => {});
}

/** A form that is sent with a passkey's answer in it: the second factor, and proving oneself again. */
function prepareForm(form) {
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    if (form.elements.response.value) return;
    event.preventDefault();
    try {
      let options = form.dataset.options;
      if (options) {
        options = JSON.parse(options);
      } else {
        const challenge = await call("POST", form.dataset.challenge, {});
        form.elements.challenge.value = challenge.pending;
        options = challenge.options;
      }
      form.elements.response.value = JSON.stringify(await ask(options));
      form.requestSubmit();
    } catch (error) {
      say(form, error, form.dataset.failed);
    }
  });
}

/** Making a new passkey. */
function prepareNew(form) {
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const offer = await call("POST", "/api/v1/people/me/passkeys/offer", {});
      const credential = await navigator.credentials.create({ publicKey: parsed(offer.options, true) });
      const name = form.elements.name.value;
      await call("POST", "/api/v1/people/me/passkeys", { pending: offer.pending, name, response: json(credential) });
      window.location.reload();
    } catch (error) {
      if (error.status === 403) window.location.assign("/step-up?to=/security");
      else say(form, error, form.dataset.failed);
    }
  });
}

if (able) {
  for (const place of document.querySelectorAll("[data-passkey-sign-in]")) prepareSignIn(place);
  for (const form of document.querySelectorAll("[data-passkey-form]")) prepareForm(form);
  for (const form of document.querySelectorAll("[data-passkey-new]")) prepareNew(form);
}
