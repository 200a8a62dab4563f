// What is under the pointer in the timeline: the frame, small, and the numbers of the object there.

import { KINDS } from "./timeline.js";

const byId = (id) => document.getElementById(id);
const MARGIN = 8; // CSS pixels

export class Hover {
  #card = byId("hover");
  #image = byId("hover-image");

  // page: {clip, store, fixing}; on: the timeline's canvas
  constructor(page, on) {
    this.page = page;
    this.on = on;
    on.addEventListener("pointerleave", () => (this.#card.hidden = true));
    this.#image.addEventListener("error", () => (this.#image.hidden = true));
    this.#image.addEventListener("load", () => (this.#image.hidden = false));
  }

  // x: of the pointer, in CSS pixels of the canvas.
  show(frame, object, x) {
    const { clip, fixing } = this.page;
    const path = `api/thumbnails/${frame}.jpg?s=${clip.session}`;
    if (this.#image.getAttribute("src") !== path) this.#image.setAttribute("src", path);
    byId("hover-text").textContent = [`Frame ${frame}`, ...this.#words(fixing.data, frame, object)].join("\n");
    this.#card.hidden = false;
    const canvas = this.on.getBoundingClientRect();
    const width = this.#card.offsetWidth;
    const left = Math.min(window.innerWidth - width - MARGIN, Math.max(MARGIN, canvas.left + x - width / 2));
    this.#card.style.left = `${left}px`;
    const top = byId("timeline").getBoundingClientRect().top - this.#card.offsetHeight - MARGIN;
    this.#card.style.top = `${Math.max(MARGIN, top)}px`;
  }

  #words(data, frame, object) {
    const series = data.objects?.[object];
    if (!series) return [];
    const name = this.page.store.document.objects[object] || `Object ${object}`;
    const at = frame - series.first;
    const number = (column, digits) => series[column][at]?.toFixed(digits) ?? "–";
    const flags = data.suspicious
      .filter((one) => one.object_id === object && one.first <= frame && frame <= one.last)
      .map((one) => KINDS[one.kind].text);
    return [`${name}: IoU ${number("iou", 2)}, score ${number("score", 1)}`, ...new Set(flags)];
  }
}
