// Everything on the canvas: the frame, the mask over it, the prompts over both.

import { Below } from "./below.js";
import { corners } from "./handles.js";

const HANDLE = 3.5; // CSS pixels, half a side
const below = new Below();

// scene: {view, image, mask, preview, opacity, isStill, backdrop, outlines, oldPrompts, prompts, object, colours,
// draft, handles, ring}; masks are tints. preview: what of the mask nobody has tracked. backdrop: what is behind
// cut-out objects, "matte" for their masks in white. isStill: edges are drawn too.
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
  below.draw(context, scene, ratio);
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
