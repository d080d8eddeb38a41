// The form of a camera: a look at it leaves what was typed where it is, the password too; of three ways to say where it is
// only one is shown.

const form = document.querySelector("[data-camera-form]");
const result = document.getElementById("check-result");
const trouble = document.getElementById("camera-trouble");

function choose() {
  const kind = form.elements.kind?.value;
  for (const part of form.querySelectorAll("[data-kind]")) part.hidden = kind !== undefined && part.dataset.kind !== kind;
}

for (const one of form.querySelectorAll("input[name=kind]")) one.addEventListener("change", choose);
choose();

for (const one of form.querySelectorAll("input[name=found]")) {
  one.addEventListener("change", () => {
    form.elements.onvif.value = one.value;
    form.elements["onvif-id"].value = one.dataset.id;
  });
}

async function check(button) {
  button.disabled = true;
  const fields = new URLSearchParams(new FormData(form));
  result.textContent = result.dataset.checking;
  try {
    const answer = await fetch(button.formAction, { method: "POST", body: fields, credentials: "same-origin" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("check-result");
    if (!fresh) {
      // A factor has to be shown again, or the session is over: the page that came says so.
      window.location.assign(answer.url);
      return;
    }
    result.replaceChildren(...fresh.childNodes);
    trouble.replaceChildren(...page.getElementById("camera-trouble").childNodes);
    document.getElementById("trouble")?.focus();
  } catch (error) {
    result.textContent = error.message;
  } finally {
    button.disabled = false;
  }
}

form.addEventListener("submit", (event) => {
  if (!event.submitter?.matches("[data-check-button]")) return;
  event.preventDefault();
  check(event.submitter);
});
