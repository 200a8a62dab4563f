// Corners, edges and points of what is drawn: found under the pointer, and moved.

import { distanceToPiece, withChanged } from "./edits.js";

const KINDS = { box: ["box"], point: ["points"], neg: ["points"], polygon: ["polygon"], change: ["box", "points", "polygon"] };
const SIDES = { left: 0, top: 1, right: 2, bottom: 3 };

// The places of a prompt that can be grabbed alone.
export function corners(prompt) {
  if (prompt.type === "box") {
    const [x1, y1, x2, y2] = prompt.box_xyxy_px;
    return [[x1, y1], [x2, y1], [x2, y2], [x1, y2]];
  }
  return prompt.vertices_xy_px ?? prompt.points_xy_px ?? [];
}

export class Handles {
  draft = null; // {before, now}: the prompt as it was, and as it is dragged
  #grip = null;

  // page: {object, tool, view, store, looks, frame}
  constructor(page) {
    this.page = page;
  }

  get isDragging() {
    return this.#grip !== null;
  }

  // What of the object's prompts on this frame is at a place: {prompt, move(by, spot)} or null.
  find(prompts, spot, reach) {
    const { object, tool, looks } = this.page;
    if (looks.isLocked(object)) return null;
    const own = prompts.filter((one) => one.object_id === object && KINDS[tool]?.includes(one.type)).reverse();
    for (const prompt of own) {
      const index = corners(prompt).findIndex(([x, y]) => Math.hypot(spot[0] - x, spot[1] - y) <= reach);
      if (index >= 0) return { prompt, corner: index };
    }
    for (const prompt of own) {
      const edge = edges(prompt).findIndex(([a, b]) => distanceToPiece(spot, a, b) <= reach);
      if (edge >= 0) return { prompt, edge };
    }
    return null;
  }

  // Returns whether something was grabbed.
  down(prompts, spot, reach) {
    const grip = this.find(prompts, spot, reach);
    if (!grip) return false;
    this.#grip = { ...grip, from: spot };
    this.draft = { before: grip.prompt, now: grip.prompt };
    return true;
  }

  move(spot) {
    const { prompt } = this.#grip;
    this.draft = { before: prompt, now: this.#moved(spot) };
  }

  up() {
    const { before, now } = this.draft;
    this.cancel();
    if (JSON.stringify(before) !== JSON.stringify(now)) {
      this.page.store.edit((document) => withChanged(document, before, now));
    }
  }

  cancel() {
    this.#grip = this.draft = null;
  }

  #moved(spot) {
    const { prompt, corner, edge, from } = this.#grip;
    const { view } = this.page;
    const to = view.corner(spot);
    if (prompt.type === "points") {
      return { ...prompt, points_xy_px: prompt.points_xy_px.with(corner, view.centre(spot)) };
    }
    if (prompt.type === "box") return boxWith(prompt, corner, edge, to);
    if (corner !== undefined) return { ...prompt, vertices_xy_px: prompt.vertices_xy_px.with(corner, to) };
    const start = view.corner(from);
    const vertices = prompt.vertices_xy_px;
    const ends = [edge, (edge + 1) % vertices.length];
    const shifted = vertices.map(([x, y], index) =>
      ends.includes(index) ? view.corner([x + to[0] - start[0], y + to[1] - start[1]]) : [x, y],
    );
    return { ...prompt, vertices_xy_px: shifted };
  }
}

function boxWith(prompt, corner, edge, [x, y]) {
  const box = [...prompt.box_xyxy_px];
  const sides = edge === undefined
    ? [[SIDES.left, SIDES.top], [SIDES.right, SIDES.top], [SIDES.right, SIDES.bottom], [SIDES.left, SIDES.bottom]][corner]
    : [[SIDES.top], [SIDES.right], [SIDES.bottom], [SIDES.left]][edge];
  for (const side of sides) box[side] = side % 2 ? y : x;
  const [x1, y1, x2, y2] = box;
  if (x1 === x2 || y1 === y2) return prompt; // a box has an area
  const turned = [Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2)];
  return { ...prompt, box_xyxy_px: turned };
}

function edges(prompt) {
  if (prompt.type === "points") return [];
  const path = corners(prompt);
  return path.map((start, index) => [start, path[(index + 1) % path.length]]);
}
