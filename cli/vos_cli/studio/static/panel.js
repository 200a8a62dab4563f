// The lists at the side: objects with their names and scores, prompts by frame.

import { freeId, promptsOn, renamed, withObject, withoutObject, withoutPrompt } from "./edits.js";
import { absenceWords, isGone } from "./absences.js";
import { arrange, element, removal } from "./rows.js";

const KINDS = { box: "Box", points: "Clicks", polygon: "Polygon", scribble: "Scribble", mask: "Mask", absent: "Not here" };
const EXACT = ["polygon", "mask"];

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
    const ids = Object.keys(this.page.store.document.objects).map(Number);
    if (this.page.store.version >= 0) this.page.objects.forgetOthers(ids);
    arrange(this.#objects, ids, (id) => this.#makeObject(id), (row, id) => this.#fillObject(row, id));
    this.#updatePrompts();
  }

  #makeObject(id) {
    const { page } = this;
    const row = element("li", {});
    row.dataset.object = id;
    const dot = element("button", { className: "quiet pick", title: `Object ${id}`, ariaLabel: `Choose object ${id}` });
    dot.append(element("span", { className: "dot" }));
    dot.addEventListener("click", () => page.choose(id));
    const name = element("input", {
      placeholder: `Object ${id}`, maxLength: 60, ariaLabel: `Name of object ${id}`,
    });
    name.addEventListener("change", () => {
      page.store.edit((document) => renamed(document, id, name.value.trim()));
    });
    name.addEventListener("keydown", (event) => {
      if (event.key === "Escape") name.value = page.store.document.objects[id]; // as it was
      if (event.key === "Enter" || event.key === "Escape") name.blur();
      event.stopPropagation();
    });
    const remove = removal(`Remove object ${id}`, () => {
      page.store.edit((document) => withoutObject(document, id));
      page.choose(page.object);
    });
    row.append(dot, name, element("span", { className: "score" }), remove);
    page.objects.decorate(row, id);
    row.addEventListener("pointerdown", () => page.choose(id));
    return row;
  }

  #fillObject(row, id) {
    const { page } = this;
    const isKept = page.fixing?.has(id) ?? false; // what the result has is not taken from it here
    row.className = id === page.object ? "current" : "";
    row.querySelector(".dot").style.background = page.clip.colours[id];
    row.querySelector(".pick").ariaPressed = String(id === page.object);
    row.querySelector(".remove").hidden = isKept || page.looks.isLocked(id);
    page.objects.fill(row, id);
    const name = row.querySelector("input:not([type=color])");
    name.readOnly = isKept;
    if (document.activeElement !== name) name.value = page.store.document.objects[id];
    Object.assign(row.querySelector(".score"), this.#score(id));
  }

  #score(id) {
    const { page } = this;
    const note = page.screen.about.notes?.[id];
    if (note) return { textContent: "–", title: note };
    if (isGone(page, id)) return { textContent: "", title: "" };
    const here = promptsOn(page.store.document, page.frame).filter((one) => one.object_id === id);
    if (here.length && here.every((one) => EXACT.includes(one.type))) {
      return page.fixing
        ? { textContent: "exact", title: "The mask is as it was drawn; the model has no part in it" }
        : { textContent: "drawn", title: "Drawn, not found by the model; it is tracked as finely as the model sees" };
    }
    const quality = page.screen.about.scores?.[id];
    if (quality === undefined) return { textContent: "", title: "" };
    return { textContent: quality.toFixed(2), title: "How sure the model is of this mask, 0 to 1" };
  }

  #updatePrompts() {
    const { page } = this;
    const prompts = [...page.store.document.prompts].sort(
      (one, other) => one.frame_idx - other.frame_idx || one.object_id - other.object_id,
    );
    const textContent = page.fixing ? "No correction drawn" : "Nothing drawn yet";
    const keys = prompts.length ? prompts.map((_one, index) => index) : ["none"];
    arrange(
      this.#prompts, keys,
      (key) => (key === "none" ? element("li", { className: "empty" }) : this.#makePrompt()),
      (row, key) => (key === "none" ? Object.assign(row, { textContent }) : this.#fillPrompt(row, prompts[key])),
    );
  }

  #makePrompt() {
    const { page } = this;
    const row = element("li", {});
    const go = element("button", { className: "quiet pick spring" });
    go.append(
      element("span", { className: "dot" }),
      element("span", { className: "spring" }),
      element("span", { className: "at" }),
    );
    go.addEventListener("click", () => {
      page.choose(row.prompt.object_id);
      page.go(row.prompt.frame_idx);
    });
    const remove = removal("Remove this prompt", () => {
      page.store.edit((document) => withoutPrompt(document, row.prompt));
    });
    row.append(go, remove);
    return row;
  }

  #fillPrompt(row, prompt) {
    const { page } = this;
    row.prompt = prompt;
    row.className = prompt.frame_idx === page.frame ? "here" : "";
    row.querySelector(".dot").style.background = page.clip.colours[prompt.object_id];
    const count = prompt.type === "points" ? ` · ${prompt.labels.length}` : "";
    const isAway = prompt.type === "scribble" && !prompt.positive;
    row.querySelector(".remove").hidden = page.looks.isLocked(prompt.object_id);
    row.querySelector(".pick .spring").textContent = `${isAway ? "Not: " : ""}${KINDS[prompt.type]}${count}`;
    row.querySelector(".at").textContent = page.clip.is_still ? "" : prompt.type === "absent" ? absenceWords(prompt) : prompt.frame_idx;
    row.querySelector(".pick").title = page.clip.is_still ? "" : `Go to frame ${prompt.frame_idx}`;
  }
}
