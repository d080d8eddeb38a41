// The one-time token of a link stands in its fragment, which is not sent anywhere: it is put into the form, and taken out
// of the address so that it stays in no history.

for (const form of document.querySelectorAll("[data-fragment]")) {
  const token = new URLSearchParams(window.location.hash.slice(1)).get("token") ?? window.location.hash.slice(1);
  if (!token) continue;
  const field = form.elements[form.dataset.fragment];
  field.value = token;
  form.querySelector("[data-fragment-field]").hidden = true;
  window.history.replaceState(null, "", window.location.pathname);
}
