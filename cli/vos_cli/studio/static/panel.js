// The lists at the side: objects with their names and scores, prompts by frame.

import { freeId, renamed, withObject, withoutObject, withoutPrompt } from "./edits.js";

const KINDS = { box: "Box", points: "Clicks", polygon: "Polygon", scribble: "Scribble", mask: "Mask" };

export class Panel {
  #objects = document.getElementById("objects");
  #prompts = document.getElementById("prompts");

  // page: {store, clip, frame, object, choose, go, screen, fixing, isInterrupted}
  constructor(page) {
    this.page = page;
    document.getElementById("add-object").addEventListener("click", () => this.addObject());
  }

  addObject() {
    const { store, isInterrupted } = this.page;
    if (isInterrupted) return;
    const id = freeId(store.document);
    if (id > 255) return;
    store.edit((document) => withObject(document, id));
    this.page.choose(id);
  }

  update() {
    // A list is not rebuilt under somebody who types a name into it.
    if (!this.#objects.contains(document.activeElement)) {
      const ids = Object.keys(this.page.store.document.objects).map(Number);
      this.#objects.replaceChildren(...ids.map((id) => this.#objectRow(id)));
    }
    this.#updatePrompts();
  }

  #objectRow(id) {
    const { page } = this;
    const isKept = page.fixing?.has(id) ?? false; // what the result has is not taken from it here
    const row = element("li", { className: id === page.object ? "current" : "" });
    row.dataset.object = id;
    const dot = element("span", { className: "dot" });
    dot.style.background = page.clip.colours[id];
    const name = element("input", {
      value: page.store.document.objects[id], placeholder: `Object ${id}`, maxLength: 60,
      ariaLabel: `Name of object ${id}`, readOnly: isKept,
    });
    name.addEventListener("change", () => {
      page.store.edit((document) => renamed(document, id, name.value.trim()));
    });
    name.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === "Escape") name.blur();
      event.stopPropagation();
    });
    name.addEventListener("blur", () => this.update());
    const score = element("span", { className: "score" });
    const note = page.screen.about.notes?.[id];
    const quality = page.screen.about.scores?.[id];
    if (note) Object.assign(score, { textContent: "–", title: note });
    else if (quality !== undefined) {
      Object.assign(score, {
        textContent: quality.toFixed(2), title: "How sure the model is of this mask, 0 to 1",
      });
    }
    const remove = removal(`Remove object ${id}`, () => {
      page.store.edit((document) => withoutObject(document, id));
      page.choose(page.object);
    });
    row.append(dot, name, score, ...(isKept ? [] : [remove]));
    row.addEventListener("pointerdown", () => page.choose(id));
    return row;
  }

  #updatePrompts() {
    const { page } = this;
    const prompts = [...page.store.document.prompts].sort(
      (one, other) => one.frame_idx - other.frame_idx || one.object_id - other.object_id,
    );
    if (!prompts.length) {
      const textContent = page.fixing ? "No correction drawn" : "Nothing drawn yet";
      this.#prompts.replaceChildren(element("li", { className: "empty", textContent }));
      return;
    }
    this.#prompts.replaceChildren(...prompts.map((prompt) => this.#promptRow(prompt)));
  }

  #promptRow(prompt) {
    const { page } = this;
    const row = element("li", { className: prompt.frame_idx === page.frame ? "here" : "" });
    const dot = element("span", { className: "dot" });
    dot.style.background = page.clip.colours[prompt.object_id];
    const count = prompt.type === "points" ? ` · ${prompt.labels.length}` : "";
    const isAway = prompt.type === "scribble" && !prompt.positive;
    const kind = element("span", {
      className: "spring", textContent: `${isAway ? "Not: " : ""}${KINDS[prompt.type]}${count}`,
    });
    const frame = element("span", { textContent: page.clip.is_still ? "" : prompt.frame_idx });
    const remove = removal("Remove this prompt", () => {
      page.store.edit((document) => withoutPrompt(document, prompt));
    });
    row.append(dot, kind, frame, remove);
    row.addEventListener("click", () => {
      page.choose(prompt.object_id);
      page.go(prompt.frame_idx);
    });
    return row;
  }
}

function removal(label, remove) {
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

function element(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}
