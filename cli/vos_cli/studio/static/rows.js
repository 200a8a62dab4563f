// Lists whose rows stay the elements they are: focus, and what is being typed, survive an update.

// keys: what the rows stand for, in order. make(key): a new row. fill(row, key): what it shows now.
export function arrange(list, keys, make, fill) {
  const wanted = new Set(keys.map(String));
  for (const row of [...list.children]) if (!wanted.has(row.dataset.key)) row.remove();
  const known = new Map([...list.children].map((row) => [row.dataset.key, row]));
  let place = list.firstElementChild;
  for (const key of keys) {
    const row = known.get(String(key)) ?? make(key);
    row.dataset.key = key;
    // A row that is moved loses the focus, so that only those that must be are.
    if (row === place) place = place.nextElementSibling;
    else list.insertBefore(row, place);
    fill(row, key);
  }
}

export function element(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}

export function removal(label, remove) {
  const button = element("button", {
    className: "quiet remove", textContent: "×", title: label, ariaLabel: label,
  });
  button.addEventListener("click", (event) => {
    event.stopPropagation();
    remove();
  });
  button.addEventListener("pointerdown", (event) => event.stopPropagation());
  return button;
}
