// Keyboard shortcuts, and the list of them that `?` shows.

const MOVES = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];

export class Keys {
  #actions = new Map();

  // shortcuts: [keys, what it does, action]; a key is like "b", "Ctrl+z" or "Shift+ArrowLeft".
  constructor(shortcuts) {
    const list = document.getElementById("key-list");
    for (const [keys, text, action] of shortcuts) {
      for (const key of keys) this.#actions.set(key, action);
      const term = document.createElement("dt");
      const shown = document.createElement("kbd");
      shown.textContent = keys[0] === "1" ? "1 – 9" : label(keys[0]);
      term.append(shown);
      const meaning = document.createElement("dd");
      meaning.textContent = text;
      list.append(term, meaning);
    }
    window.addEventListener("keydown", (event) => this.#press(event));
    window.addEventListener("click", letGo);
  }

  #press(event) {
    const { target } = event;
    if (target instanceof HTMLInputElement && target.type !== "range") return;
    if (document.querySelector("dialog[open]")) return;
    // Whoever came to a button with Tab presses it with these.
    const isCommand = event.ctrlKey || event.metaKey;
    const isPress = ["Enter", " "].includes(event.key) && !isCommand;
    if (isPress && target.matches("button:focus-visible, a:focus-visible")) return;
    // A slider other than that of the frames is moved with the arrows itself.
    if (MOVES.includes(event.key) && target.matches("input[type=range]:not(#slider), [role=slider]")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    // What Shift does to a sign is in the sign already.
    const isShifted = event.shiftKey && (key.length > 1 || isCommand);
    const name = `${isCommand ? "Ctrl+" : ""}${isShifted ? "Shift+" : ""}${key}`;
    const action = this.#actions.get(name);
    if (!action || event.altKey) return;
    event.preventDefault();
    action(key);
  }
}

function label(key) {
  const names = { " ": "Space", ArrowLeft: "←", ArrowRight: "→" };
  return key
    .split("+")
    .map((part) => names[part] ?? (part.length === 1 ? part.toUpperCase() : part))
    .join(" + ");
}

// What was pressed with the mouse keeps no focus: the next key is a shortcut, and would press it.
function letGo({ detail, target }) {
  const pressed = target.closest?.("button, a, input[type=range]");
  if (detail && pressed === document.activeElement) pressed?.blur();
}
