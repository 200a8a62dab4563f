// "Not here": says that the object is not on this frame, from here on, or between two frames.

import { isAbsent, withAbsence, withoutAbsence } from "./absences.js";

const byId = (id) => document.getElementById(id);

export class NotHere {
  // page: {store, frame, object, clip, inOut, looks, isEditable, say(text), count, fixing}
  constructor(page) {
    this.page = page;
    byId("not-here").addEventListener("click", () => this.open());
    byId("absent-frame").addEventListener("click", () => this.#set(page.frame, page.frame));
    byId("absent-on").addEventListener("click", () => this.#set(page.frame, "end"));
    byId("absent-back").addEventListener("click", () => this.#takeBack());
    byId("absent-range").addEventListener("submit", (event) => {
      event.preventDefault();
      const [first, last] = [byId("absent-first").valueAsNumber, byId("absent-last").valueAsNumber];
      if (first > last) byId("absent-last").setCustomValidity(`The last frame is before the first, ${first}`);
      if (byId("absent-range").reportValidity()) this.#set(first, last);
    });
    byId("absent-last").addEventListener("input", () => byId("absent-last").setCustomValidity(""));
    byId("absent-first").addEventListener("input", () => byId("absent-last").setCustomValidity(""));
    byId("absent").addEventListener("close", () => byId("canvas").focus({ preventScroll: true }));
  }

  open() {
    const { page } = this;
    if (!page.isEditable) return;
    const { store, object, frame, inOut, count } = page;
    const name = store.document.objects[object] || `Object ${object}`;
    byId("absent-title").textContent = `${name} is not here`;
    byId("absent-frame").textContent = page.clip.is_still ? "Not in this image" : `Only on this frame (${frame})`;
    for (const id of ["absent-on", "absent-range"]) byId(id).hidden = page.clip.is_still;
    byId("absent-back").hidden = !isAbsent(store.document, object, frame);
    // A point that is not set is no reason to go back to the clip's beginning, where the object is.
    const lost = this.#lost();
    const first = inOut.first ?? lost?.first ?? Math.min(frame, inOut.last ?? frame);
    const last = inOut.last ?? lost?.last ?? Math.min(Math.max(first, frame) + 10, count - 1);
    [["absent-first", first], ["absent-last", last]].forEach(([id, valueAsNumber]) => {
      Object.assign(byId(id), { max: count - 1, valueAsNumber });
      byId(id).setCustomValidity("");
    });
    byId("absent").showModal();
    byId("absent-frame").focus();
  }

  // The frames around this one on which the object was lost, where In and Out say nothing else.
  #lost() {
    const { fixing, inOut, object, frame } = this.page;
    if (inOut.isSet) return undefined;
    return fixing?.data.suspicious.find(
      (one) => one.kind === "lost" && one.object_id === object && one.first <= frame && frame <= one.last,
    );
  }

  #set(first, last) {
    const { page } = this;
    const { object } = page;
    byId("absent").close();
    page.store.edit((document) => withAbsence(document, object, first, last));
    const until = page.store.document.prompts.some((one) => one.object_id === object && one.frame_idx > first)
      ? "until its next prompt" : "to the end";
    const where = last === "end" ? `from frame ${first} ${until}` : first === last ? `on frame ${first}` : `on frames ${first} to ${last}`;
    page.say(`Not here ${where}${page.fixing ? " · Fix makes it so" : ""}`);
    page.show(page.frame);
  }

  #takeBack() {
    const { page } = this;
    const { object, frame } = page;
    byId("absent").close();
    page.store.edit((document) => withoutAbsence(document, object, frame));
    page.show(frame);
  }
}
