// Lights one word at a time: under the mouse or the keyboard, else the one chosen by a click.
for (const figure of document.querySelectorAll("figure.words")) {
  const buttons = [...figure.querySelectorAll("button")];
  const heats = [...figure.querySelectorAll(".heat")];
  const says = figure.querySelector(".says");
  let chosen = buttons.findIndex((button) => button.getAttribute("aria-pressed") === "true");

  function light(word) {
    heats.forEach((heat, i) => heat.classList.toggle("lit", i === word));
    says.textContent = word < 0 ? "" : buttons[word].dataset.says;
  }

  buttons.forEach((button, word) => {
    button.addEventListener("click", () => {
      chosen = chosen === word ? -1 : word; // a second click takes the light away
      buttons.forEach((other, i) => other.setAttribute("aria-pressed", String(i === chosen)));
      light(chosen);
    });
    button.addEventListener("pointerenter", (event) => {
      if (event.pointerType === "mouse") light(word);
    });
    button.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") light(chosen);
    });
    button.addEventListener("focus", () => {
      if (button.matches(":focus-visible")) light(word);
    });
    button.addEventListener("blur", () => light(chosen));
  });
}
