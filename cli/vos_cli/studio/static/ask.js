// Questions that have to be answered before something may be lost.

const byId = (id) => document.getElementById(id);

// choices: [value, words], the first is what is done where nothing speaks against it. Resolves to the
// value that was chosen, null where the question was left with Escape.
export function ask(title, text, choices) {
  const dialog = byId("ask");
  byId("ask-title").textContent = title;
  byId("ask-text").textContent = text;
  const buttons = choices.map(([value, words], index) => {
    const button = document.createElement("button");
    Object.assign(button, { value, textContent: words, className: index ? "" : "primary" });
    return button;
  });
  byId("ask-choices").replaceChildren(...buttons);
  dialog.returnValue = "";
  if (!dialog.open) dialog.showModal();
  buttons[0].focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue || null), { once: true });
  });
}

// Take a question back that was answered elsewhere.
export function unask() {
  byId("ask").close();
}
