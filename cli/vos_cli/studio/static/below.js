// What lies below the prompts: the frame and the masks over it, or the objects cut out.

import { striped } from "./memory.js";

const RING = [[1, 0], [-1, 0], [0, 1], [0, -1], [0.7, 0.7], [-0.7, 0.7], [0.7, -0.7], [-0.7, -0.7]];
const EDGE = 1.5; // CSS pixels
const SHARP_FROM = 3; // device pixels per frame pixel from which pixels are shown as squares
const CHECKER = 10; // CSS pixels
const spare = document.createElement("canvas");
const scaled = document.createElement("canvas");

// What is seen of a still frame stays until something of it changes: most repaints are of prompts.
export class Below {
  #kept = document.createElement("canvas");
  #stamp = [];

  // scene: as `paint` takes it.
  draw(context, scene, ratio) {
    if (!scene.isStill) {
      drawAll(context, scene, ratio);
      return;
    }
    const { width, height } = context.canvas;
    const { view, image, opacity, backdrop } = scene;
    const tints = [scene.mask, scene.preview, ...scene.outlines].flatMap((one) => [one, one?.changes]);
    const stamp = [width, height, ratio, view.x, view.y, view.scale, image, opacity, backdrop, ...tints];
    if (stamp.length !== this.#stamp.length || stamp.some((value, index) => value !== this.#stamp[index])) {
      this.#stamp = stamp;
      Object.assign(this.#kept, { width, height }); // which empties it
      drawAll(this.#kept.getContext("2d"), scene, ratio);
    }
    context.drawImage(this.#kept, 0, 0);
  }
}

function drawAll(context, scene, ratio) {
  const { view } = scene;
  const place = [
    view.x * ratio, view.y * ratio, view.width * view.scale * ratio,
    view.height * view.scale * ratio,
  ];
  context.imageSmoothingEnabled = view.scale * ratio < SHARP_FROM;
  context.imageSmoothingQuality = "medium";
  if (scene.backdrop) {
    drawCutOut(context, scene, place, ratio);
  } else {
    context.drawImage(scene.image, ...place);
  }
  for (const outline of scene.outlines) {
    context.globalAlpha = 0.8;
    context.drawImage(edge(outline.canvas, place, context, ratio), 0, 0);
    context.globalAlpha = 1;
  }
  if (scene.mask && scene.opacity > 0 && !scene.backdrop) {
    context.globalAlpha = scene.opacity;
    if (scene.preview) context.drawImage(striped(scene, place, context, ratio), 0, 0);
    else context.drawImage(scene.mask.canvas, ...place);
    if (scene.isStill) {
      context.globalAlpha = Math.min(1, scene.opacity * 2);
      context.drawImage(edge(scene.mask.canvas, place, context, ratio), 0, 0);
    }
    context.globalAlpha = 1;
  }
}

// The objects alone: their pixels, or their masks, over the backdrop.
function drawCutOut(context, { image, mask, backdrop }, place, ratio) {
  const [x, y, w, h] = place;
  const isMatte = backdrop === "matte";
  context.fillStyle = isMatte ? "#000" : backdrop === "checker" ? checker(context, ratio) : backdrop;
  context.fillRect(x, y, w, h);
  if (!mask) return;
  if (isMatte) {
    context.drawImage(mask.canvas, ...place);
    return;
  }
  spare.width = context.canvas.width;
  spare.height = context.canvas.height;
  const cut = spare.getContext("2d");
  cut.imageSmoothingEnabled = context.imageSmoothingEnabled;
  cut.drawImage(mask.canvas, ...place);
  cut.globalCompositeOperation = "source-in";
  cut.drawImage(image, ...place);
  context.drawImage(spare, 0, 0);
}

function checker(context, ratio) {
  const side = Math.round(CHECKER * ratio);
  const tile = new OffscreenCanvas(2 * side, 2 * side);
  const on = tile.getContext("2d");
  on.fillStyle = "#8c8c8c";
  on.fillRect(0, 0, 2 * side, 2 * side);
  on.fillStyle = "#b4b4b4";
  on.fillRect(0, 0, side, side);
  on.fillRect(side, side, side, side);
  return context.createPattern(tile, "repeat");
}

// A line around each object, as wide on the screen whatever the zoom.
function edge(mask, place, target, ratio) {
  for (const one of [scaled, spare]) Object.assign(one, { width: target.canvas.width, height: target.canvas.height });
  const whole = scaled.getContext("2d");
  whole.imageSmoothingEnabled = target.imageSmoothingEnabled;
  whole.drawImage(mask, ...place);
  const context = spare.getContext("2d");
  // Whole pixels, which are copied many times faster than they are scaled.
  for (const way of RING) context.drawImage(scaled, ...way.map((step) => Math.round(EDGE * ratio * step)));
  context.globalCompositeOperation = "destination-out";
  context.drawImage(scaled, 0, 0);
  return spare;
}
