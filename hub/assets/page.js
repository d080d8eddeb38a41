// Small comforts of every page: the sum of what is wrong gets the focus, colours change at once, codes are copied and
// printed, the pad of a wall tablet types.

document.getElementById("trouble")?.focus();

for (const form of document.querySelectorAll("form.look")) {
  for (const choice of form.querySelectorAll("select")) choice.addEventListener("change", () => form.requestSubmit());
  form.querySelector("button").hidden = true;
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).innerText);
    button.textContent = button.dataset.done;
  });
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

for (const pad of document.querySelectorAll("[data-pad]")) {
  const field = pad.closest("form").elements.pin;
  for (const key of ["1", "2", "3", "4", "5", "6", "7", "8", "9", "⌫", "0"]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = key;
    if (key === "⌫") button.setAttribute("aria-label", pad.dataset.clear);
    button.addEventListener("click", () => {
      if (key === "⌫") field.value = field.value.slice(0, -1);
      else if (field.value.length < 4) field.value += key;
      if (field.value.length === 4 && key !== "⌫") pad.closest("form").requestSubmit();
    });
    pad.append(button);
  }
  pad.hidden = false;
}
