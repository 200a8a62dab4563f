// Brush and rubber: paint the mask itself, which becomes a mask prompt of the frame.

import { withMask } from "./edits.js";
import { withAbsence } from "./absences.js";
import { maskOf, pngOf } from "./labels.js";

export const BRUSHES = ["brush", "rub"];
const LEAST = 0.5; // frame pixels
const MOST = 400;
const STEP = 1.25;

export class Brush {
  at = null; // where the pointer is, in frame pixels
  #stroke = null;

  // page: {tool, object, frame, store, looks, screen, say(text), redraw(), clip}
  constructor(page) {
    this.page = page;
  }

  get isPainting() {
    return this.#stroke !== null;
  }

  // The ring under the pointer, null where there is none.
  get ring() {
    const isShown = this.at && BRUSHES.includes(this.page.tool);
    return isShown ? { spot: this.at, radius: this.page.looks.brush } : null;
  }

  resize(way) {
    const { page } = this;
    const radius = page.looks.brush * (way > 0 ? STEP : 1 / STEP);
    const brush = Math.min(MOST, Math.max(LEAST, Number(radius.toFixed(2))));
    page.looks.change({ brush });
    page.say(`Brush ${Math.round(2 * brush)} px wide`);
  }

  // isInverted: a brush rubs out, and the other way round.
  async down(spot, isInverted) {
    const { page } = this;
    const { object, frame } = page;
    const isAdding = (page.tool === "brush") !== isInverted;
    const stroke = { object, frame, isAdding, trail: [spot], map: null, isUp: false };
    this.#stroke = stroke;
    const map = await this.#base(object, frame);
    if (this.#stroke !== stroke) return;
    stroke.map = map;
    page.screen.hold(map);
    this.#follow();
    if (stroke.isUp) this.up();
  }

  move(spot) {
    this.at = spot;
    if (!this.#stroke) return;
    this.#stroke.trail.push(spot);
    if (this.#stroke.map) this.#follow();
  }

  async up() {
    const stroke = this.#stroke;
    if (!stroke) return;
    stroke.isUp = true;
    if (!stroke.map) return; // its beginning is still to come
    this.#stroke = null;
    const { object, frame, map } = stroke;
    const { page } = this;
    if (!map.ids.includes(object)) {
      page.store.edit((document) => withAbsence(document, object, frame, frame));
      page.say("Nothing of the mask is left: not here on this frame");
      page.screen.release();
      return;
    }
    const png = await pngOf(map, object);
    await page.store.edit((document) => withMask(document, object, frame, png));
    page.screen.release();
  }

  cancel() {
    if (this.#stroke) this.page.screen.release();
    this.#stroke = null;
  }

  // What is on the screen, with the object's mask exactly as it was painted before.
  async #base(object, frame) {
    const { screen, store, clip } = this.page;
    const shown = screen.map ?? { ids: new Uint8Array(clip.width * clip.height), width: clip.width, height: clip.height };
    const map = { ...shown, ids: shown.ids.slice() };
    const painted = store.document.prompts.find(
      (one) => one.type === "mask" && one.object_id === object && one.frame_idx === frame && one.png_base64,
    );
    if (painted) {
      const mask = await maskOf(painted.png_base64);
      for (let at = 0; at < mask.length; at += 1) {
        if (mask[at]) map.ids[at] = object;
        else if (map.ids[at] === object) map.ids[at] = 0;
      }
    }
    return map;
  }

  // Paint along the trail; the last place stays, for the next stretch.
  #follow() {
    const { trail, map } = this.#stroke;
    const radius = this.page.looks.brush;
    const box = { left: map.width, top: map.height, right: 0, bottom: 0 };
    let before = trail[0];
    for (const spot of trail) {
      const [dx, dy] = [spot[0] - before[0], spot[1] - before[1]];
      const steps = Math.max(1, Math.ceil(Math.hypot(dx, dy) / Math.max(0.5, radius / 3)));
      for (let step = 1; step <= steps; step += 1) {
        this.#dab(before[0] + (dx * step) / steps, before[1] + (dy * step) / steps, radius, box);
      }
      before = spot;
    }
    this.#stroke.trail = [before];
    this.page.screen.painted(box);
  }

  #dab(x, y, radius, box) {
    const { map, object, isAdding } = this.#stroke;
    const { looks } = this.page;
    const { ids, width, height } = map;
    const least = Math.max(radius, 0.71); // a pixel at least
    const top = Math.max(0, Math.ceil(y - least - 0.5));
    const bottom = Math.min(height - 1, Math.floor(y + least - 0.5));
    for (let row = top; row <= bottom; row += 1) {
      const half = Math.sqrt(Math.max(0, least ** 2 - (row + 0.5 - y) ** 2));
      const left = Math.max(0, Math.ceil(x - half - 0.5));
      const right = Math.min(width - 1, Math.floor(x + half - 0.5));
      for (let at = row * width + left; at <= row * width + right; at += 1) {
        if (!isAdding) ids[at] = ids[at] === object ? 0 : ids[at];
        else if (!looks.isLocked(ids[at])) ids[at] = object;
      }
      box.left = Math.min(box.left, left);
      box.right = Math.max(box.right, right + 1);
    }
    box.top = Math.min(box.top, top);
    box.bottom = Math.max(box.bottom, bottom + 1);
  }
}
