// Everything on the canvas: the frame, the mask over it, the prompts over both.

import { corners } from "./handles.js";
import { striped } from "./memory.js";

const RING = [[1, 0], [-1, 0], [0, 1], [0, -1], [0.7, 0.7], [-0.7, 0.7], [0.7, -0.7], [-0.7, -0.7]];
const SHARP_FROM = 3; // device pixels per frame pixel from which pixels are shown as squares
const spare = document.createElement("canvas");
const HANDLE = 3.5; // CSS pixels, half a side
const CHECKER = 10; // CSS pixels

// scene: {view, image, mask, preview, opacity, hasEdges, backdrop, outlines, oldPrompts, prompts, object, colours,
// draft, handles, ring}; masks are in colours. preview: what of the mask nobody has tracked. backdrop: what is behind
// cut-out objects, "matte" for their masks in white.
export function paint(canvas, scene) {
  const ratio = window.devicePixelRatio;
  const width = Math.round(canvas.clientWidth * ratio);
  const height = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, width, height);
  if (!scene.image) return;
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
    context.drawImage(edge(outline, place, context, ratio), 0, 0);
    context.globalAlpha = 1;
  }
  if (scene.mask && scene.opacity > 0 && !scene.backdrop) {
    context.globalAlpha = scene.opacity;
    if (scene.preview) context.drawImage(striped(scene, place, context, ratio), 0, 0);
    else context.drawImage(scene.mask, ...place);
    if (scene.hasEdges) {
      context.globalAlpha = Math.min(1, scene.opacity * 2);
      context.drawImage(edge(scene.mask, place, context, ratio), 0, 0);
    }
    context.globalAlpha = 1;
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.globalAlpha = 0.45;
  for (const prompt of scene.oldPrompts) {
    drawPrompt(context, view, prompt, scene.colours[prompt.object_id]);
  }
  const dragged = scene.draft?.type === "change" ? scene.draft : null;
  for (const drawn of scene.prompts) {
    const prompt = dragged && JSON.stringify(drawn) === JSON.stringify(dragged.before) ? dragged.now : drawn;
    context.globalAlpha = prompt.object_id === scene.object ? 1 : 0.6;
    drawPrompt(context, view, prompt, scene.colours[prompt.object_id]);
    if (scene.handles && prompt.object_id === scene.object) drawHandles(context, view, prompt);
  }
  context.globalAlpha = 1;
  if (scene.ring) drawRing(context, view, scene.ring);
  if (scene.draft && !dragged) drawDraft(context, view, scene.draft, scene.colours[scene.object]);
}

// The objects alone: their pixels, or their masks, over the backdrop.
function drawCutOut(context, { image, mask, backdrop }, place, ratio) {
  const [x, y, w, h] = place;
  const isMatte = backdrop === "matte";
  context.fillStyle = isMatte ? "#000" : backdrop === "checker" ? checker(context, ratio) : backdrop;
  context.fillRect(x, y, w, h);
  if (!mask) return;
  if (isMatte) {
    context.drawImage(mask, ...place);
    return;
  }
  spare.width = context.canvas.width;
  spare.height = context.canvas.height;
  const cut = spare.getContext("2d");
  cut.imageSmoothingEnabled = context.imageSmoothingEnabled;
  cut.drawImage(mask, ...place);
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

function drawHandles(context, view, prompt) {
  if (prompt.type === "points") return;
  for (const corner of corners(prompt)) {
    const [x, y] = view.toStage(corner);
    context.fillStyle = "#fff";
    context.strokeStyle = "rgb(0 0 0 / 70%)";
    context.lineWidth = 1;
    context.fillRect(x - HANDLE, y - HANDLE, 2 * HANDLE, 2 * HANDLE);
    context.strokeRect(x - HANDLE, y - HANDLE, 2 * HANDLE, 2 * HANDLE);
  }
}

// How wide the brush is, where the pointer is.
function drawRing(context, view, { spot, radius }) {
  const [x, y] = view.toStage(spot);
  for (const [width, colour] of [[3, "rgb(0 0 0 / 55%)"], [1.25, "#fff"]]) {
    context.beginPath();
    context.arc(x, y, Math.max(1.5, radius * view.scale), 0, 2 * Math.PI);
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.stroke();
  }
}

// A line around each object, as wide on the screen whatever the zoom.
function edge(mask, [x, y, w, h], target, ratio) {
  spare.width = target.canvas.width;
  spare.height = target.canvas.height;
  const context = spare.getContext("2d");
  context.imageSmoothingEnabled = target.imageSmoothingEnabled;
  for (const [dx, dy] of RING) {
    context.drawImage(mask, x + 1.5 * ratio * dx, y + 1.5 * ratio * dy, w, h);
  }
  context.globalCompositeOperation = "destination-out";
  context.drawImage(mask, x, y, w, h);
  return spare;
}

function drawPrompt(context, view, prompt, colour) {
  switch (prompt.type) {
    case "box": {
      const [x1, y1, x2, y2] = prompt.box_xyxy_px;
      line(context, view, [[x1, y1], [x2, y1], [x2, y2], [x1, y2]], colour, { closed: true });
      break;
    }
    case "polygon":
      line(context, view, prompt.vertices_xy_px, colour, { closed: true });
      break;
    case "scribble":
      stroke(context, view, prompt.stroke_xy_px, colour, prompt.positive);
      break;
    case "points":
      prompt.points_xy_px.forEach((point, index) =>
        dot(context, view.toStage(point), colour, prompt.labels[index] === 1),
      );
      break;
    default: // a mask prompt shows as its mask
  }
}

function drawDraft(context, view, draft, colour) {
  if (draft.type === "box") {
    const [x1, y1, x2, y2] = draft.box;
    line(context, view, [[x1, y1], [x2, y1], [x2, y2], [x1, y2]], colour, { closed: true });
  } else if (draft.type === "polygon") {
    line(context, view, [...draft.vertices, draft.cursor], colour, { dashed: true });
    draft.vertices.forEach((vertex, index) => {
      const [x, y] = view.toStage(vertex);
      context.beginPath();
      context.arc(x, y, index ? 3 : 5, 0, 2 * Math.PI);
      context.fillStyle = index ? colour : "#fff";
      context.fill();
    });
  } else {
    stroke(context, view, draft.stroke, colour, draft.positive);
  }
}

function path(context, view, points, closed) {
  context.beginPath();
  points.forEach((point, index) => {
    const [x, y] = view.toStage(point);
    if (index) context.lineTo(x, y);
    else context.moveTo(x, y);
  });
  if (closed) context.closePath();
}

// Dark beneath, colour on top: to be seen on any picture.
function line(context, view, points, colour, { closed = false, dashed = false }) {
  context.lineJoin = "miter";
  context.lineCap = "butt";
  path(context, view, points, closed);
  context.setLineDash([]);
  context.lineWidth = 3.5;
  context.strokeStyle = "rgb(0 0 0 / 40%)";
  context.stroke();
  context.setLineDash(dashed ? [5, 4] : []);
  context.lineWidth = 1.75;
  context.strokeStyle = colour;
  context.stroke();
  context.setLineDash([]);
}

function stroke(context, view, points, colour, isPositive) {
  const ends = points.length === 1 ? [points[0], points[0]] : points;
  path(context, view, ends, false);
  context.lineJoin = context.lineCap = "round";
  context.lineWidth = 7;
  context.strokeStyle = isPositive ? "rgb(0 0 0 / 50%)" : "#e5484d";
  context.stroke();
  context.lineWidth = 4;
  context.strokeStyle = isPositive ? colour : "#fff";
  context.stroke();
}

function dot(context, [x, y], colour, isPositive) {
  context.beginPath();
  context.arc(x, y, 6, 0, 2 * Math.PI);
  context.fillStyle = isPositive ? colour : "#e5484d";
  context.strokeStyle = "#fff";
  context.lineWidth = 1.75;
  context.shadowColor = "rgb(0 0 0 / 60%)";
  context.shadowBlur = 4;
  context.fill();
  context.shadowBlur = 0;
  context.stroke();
  context.beginPath();
  context.lineCap = "butt";
  context.moveTo(x - 3, y);
  context.lineTo(x + 3, y);
  if (isPositive) {
    context.moveTo(x, y - 3);
    context.lineTo(x, y + 3);
  }
  context.stroke();
}
