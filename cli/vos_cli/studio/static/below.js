// What lies below the prompts: the frame and the masks over it, or the objects cut out.

const RING = [[1, 0], [-1, 0], [0, 1], [0, -1], [0.7, 0.7], [-0.7, 0.7], [0.7, -0.7], [-0.7, -0.7]];
const EDGE = 1.5; // CSS pixels
const SHARP_FROM = 3; // device pixels per frame pixel from which pixels are shown as squares
const CHECKER = 10; // CSS pixels
const STRIPE = 4; // CSS pixels, of a gap and of what is between two
const LEFT = 0.25; // of a mask in a gap
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
      drawAll(emptied(this.#kept, context.canvas), scene, ratio);
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
    drawEdge(context, outline, place, ratio);
  }
  if (scene.mask && scene.opacity > 0 && !scene.backdrop) {
    context.globalAlpha = scene.opacity;
    if (scene.preview) drawStriped(context, scene, place, ratio);
    else context.drawImage(scene.mask.canvas, ...place);
    context.globalAlpha = Math.min(1, scene.opacity * 2);
    if (scene.isStill) drawEdge(context, scene.mask, place, ratio);
  }
  context.globalAlpha = 1;
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
  const cut = emptied(spare, context.canvas);
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
function drawEdge(context, tint, place, ratio) {
  const part = seenPart(context.canvas, tint, place, 2 * EDGE * ratio);
  if (!part) return;
  const whole = emptied(scaled, part);
  whole.imageSmoothingEnabled = context.imageSmoothingEnabled;
  whole.drawImage(tint.canvas, place[0] - part.x, place[1] - part.y, place[2], place[3]);
  const line = emptied(spare, part);
  // Whole pixels, which are copied many times faster than they are scaled.
  for (const way of RING) line.drawImage(scaled, ...way.map((step) => Math.round(EDGE * ratio * step)));
  line.globalCompositeOperation = "destination-out";
  line.drawImage(scaled, 0, 0);
  context.drawImage(spare, part.x, part.y);
}

// A mask whose previews are striped. scene: {mask, preview}.
function drawStriped(context, { mask, preview }, place, ratio) {
  const part = seenPart(context.canvas, mask, place, 2);
  if (!part) return;
  const there = [place[0] - part.x, place[1] - part.y, place[2], place[3]];
  const stripes = emptied(spare, part);
  stripes.imageSmoothingEnabled = context.imageSmoothingEnabled;
  stripes.drawImage(preview.canvas, ...there);
  stripes.globalCompositeOperation = "destination-in";
  stripes.fillStyle = gaps(stripes, ratio);
  stripes.translate(-part.x, -part.y); // they stay where they are while the mask moves
  stripes.fillRect(part.x, part.y, part.width, part.height);
  stripes.resetTransform();
  stripes.globalCompositeOperation = "source-out";
  stripes.drawImage(mask.canvas, ...there);
  context.drawImage(spare, part.x, part.y);
}

// Where on the canvas a tint has colours, with a margin in device pixels; null where it has none to be seen.
function seenPart(canvas, { box, canvas: { width, height } }, [x, y, w, h], margin) {
  if (!box) return null;
  const [across, down] = [w / width, h / height];
  const left = Math.max(0, Math.floor(x + box.left * across - margin));
  const top = Math.max(0, Math.floor(y + box.top * down - margin));
  const right = Math.min(canvas.width, Math.ceil(x + box.right * across + margin));
  const bottom = Math.min(canvas.height, Math.ceil(y + box.bottom * down + margin));
  return right > left && bottom > top ? { x: left, y: top, width: right - left, height: bottom - top } : null;
}

// The context of a spare canvas of that size, with nothing on it.
function emptied(canvas, { width, height }) {
  Object.assign(canvas, { width, height });
  return canvas.getContext("2d");
}

// A pattern of diagonal stripes, transparent and nearly opaque in turn, for what nobody has tracked.
function gaps(context, ratio) {
  const side = Math.max(2, Math.round(2 * Math.SQRT2 * STRIPE * ratio));
  const tile = new OffscreenCanvas(side, side);
  const on = tile.getContext("2d");
  on.strokeStyle = `rgb(0 0 0 / ${1 - LEFT})`;
  on.lineWidth = side / (2 * Math.SQRT2);
  for (const shift of [-side, 0, side]) {
    on.beginPath();
    on.moveTo(shift - side, 2 * side);
    on.lineTo(shift + 2 * side, -side);
    on.stroke();
  }
  return context.createPattern(tile, "repeat");
}
