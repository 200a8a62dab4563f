// Keyboard shortcuts, and the list of them that `?` shows.

const NOT_TEXT = ["range", "color", "checkbox"];
const MOVES = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];

export class Keys {
  #actions = new Map();

  // shortcuts: [keys, what it does, action]; a key is like "b", "Ctrl+z" or "Shift+ArrowLeft".
  // settings: {path, keys}, the user's keys by the usual ones. say(text): told what cannot be.
  constructor(shortcuts, { path, keys: own }, say) {
    const list = document.getElementById("key-list");
    document.getElementById("keys-file").textContent = `Other keys: ${path}, such as {"keys": {"b": "q"}}`;
    const { found, refusal } = remapped(shortcuts, own);
    if (refusal) say(`${path}: ${refusal}; the usual keys are used`);
    found.forEach(([keys, text, action], index) => {
      const [usual] = shortcuts[index];
      keys.forEach((key, at) => this.#actions.set(key, () => action(usual[at])));
      const term = document.createElement("dt");
      const shown = document.createElement("kbd");
      shown.textContent = keys.length === 9 ? `${keys[0]} – ${keys[8]}` : label(keys[0]);
      term.append(shown);
      const meaning = document.createElement("dd");
      meaning.textContent = text;
      const pair = document.createElement("div");
      pair.append(term, meaning);
      list.append(pair);
    });
    window.addEventListener("keydown", (event) => this.#press(event));
    window.addEventListener("click", letGo);
  }

  #press(event) {
    const { target } = event;
    if (target instanceof HTMLInputElement && !NOT_TEXT.includes(target.type)) return;
    if (document.querySelector("dialog[open]")) return;
    // Whoever came to a button with Tab presses it with these.
    const isCommand = event.ctrlKey || event.metaKey;
    const isPress = ["Enter", " "].includes(event.key) && !isCommand;
    if (isPress && target.matches("button:focus-visible, a:focus-visible, input[type=color]")) return;
    // A slider other than that of the frames is moved with the arrows itself.
    if (MOVES.includes(event.key) && target.matches("input[type=range]:not(#slider), [role=slider]")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    // What Shift does to a sign is in the sign already.
    const isShifted = event.shiftKey && (key.length > 1 || isCommand);
    const name = `${isCommand ? "Ctrl+" : ""}${isShifted ? "Shift+" : ""}${key}`;
    const action = this.#actions.get(name);
    if (!action || event.altKey) return;
    event.preventDefault();
    action();
  }
}

// The shortcuts with the user's keys, or the usual ones and why.
export function remapped(shortcuts, own) {
  const known = new Set(shortcuts.flatMap(([keys]) => keys));
  const unknown = Object.keys(own).find((key) => !known.has(key));
  if (unknown !== undefined) return { found: shortcuts, refusal: `no shortcut has the key ${unknown}` };
  const found = shortcuts.map(([keys, text, action]) => [keys.map((key) => own[key] ?? key), text, action]);
  const taken = new Map();
  for (const [keys, text] of found) {
    for (const key of keys) {
      if (taken.has(key)) return { found: shortcuts, refusal: `${key} would be both "${taken.get(key)}" and "${text}"` };
      taken.set(key, text);
    }
  }
  return { found };
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
