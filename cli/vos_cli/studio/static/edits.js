// Documents in, documents out; prompts are as in the prompt file. Nothing here is changed in place.

import { endedBefore } from "./absences.js";

export function promptsOn(document, frame) {
  return document.prompts.filter((prompt) => prompt.frame_idx === frame);
}

const isAt = (prompt, object, frame) =>
  prompt.object_id === object && prompt.frame_idx === frame;
const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const isExact = (prompt) => prompt.type === "polygon" || prompt.type === "mask";

// A mask is taken as exact, so nothing else may stand beside it on its frame. What shows an object
// ends an absence there.
function added(before, prompt, isReplaced) {
  const { object_id: object, frame_idx: frame } = prompt;
  const document = endedBefore(before, object, frame);
  const kept = document.prompts.filter((one) => !isAt(one, object, frame) || !isReplaced(one));
  return { ...document, prompts: [...kept, prompt] };
}

export function withBox(document, object, frame, box) {
  const prompt = { type: "box", object_id: object, frame_idx: frame, box_xyxy_px: box };
  return added(document, prompt, (one) => one.type === "box" || isExact(one));
}

export function withPolygon(document, object, frame, vertices) {
  const prompt = { type: "polygon", object_id: object, frame_idx: frame, vertices_xy_px: vertices };
  return added(document, prompt, () => true);
}

// png: black and white, in base64.
export function withMask(document, object, frame, png) {
  const prompt = { type: "mask", object_id: object, frame_idx: frame, png_base64: png };
  return added(document, prompt, () => true);
}

// A prompt with another one in its place.
export function withChanged(document, before, now) {
  const index = document.prompts.findIndex((one) => isSame(one, before));
  return index < 0 ? document : { ...document, prompts: document.prompts.with(index, now) };
}

export function withScribble(document, object, frame, stroke, positive) {
  const prompt = {
    type: "scribble", object_id: object, frame_idx: frame, stroke_xy_px: stroke, positive,
  };
  return added(document, prompt, isExact);
}

export function withPoint(document, object, frame, point, label) {
  const index = document.prompts.findIndex(
    (one) => one.type === "points" && isAt(one, object, frame),
  );
  if (index < 0) {
    const prompt = {
      type: "points", object_id: object, frame_idx: frame, points_xy_px: [point], labels: [label],
    };
    return added(document, prompt, isExact);
  }
  const before = document.prompts[index];
  const prompt = {
    ...before,
    points_xy_px: [...before.points_xy_px, point],
    labels: [...before.labels, label],
  };
  return { ...document, prompts: document.prompts.with(index, prompt) };
}

// point: which of a points prompt's, or which corner of a polygon; all of the prompt goes without one.
export function withoutPrompt(document, prompt, point = null) {
  const index = document.prompts.findIndex((one) => isSame(one, prompt));
  if (index < 0) return document; // it is gone already
  if (point !== null && prompt.type === "polygon" && prompt.vertices_xy_px.length > 3) {
    const left = { ...prompt, vertices_xy_px: prompt.vertices_xy_px.toSpliced(point, 1) };
    return { ...document, prompts: document.prompts.with(index, left) };
  }
  if (point === null || prompt.type !== "points" || prompt.points_xy_px.length === 1) {
    return { ...document, prompts: document.prompts.toSpliced(index, 1) };
  }
  const left = {
    ...prompt,
    points_xy_px: prompt.points_xy_px.toSpliced(point, 1),
    labels: prompt.labels.toSpliced(point, 1),
  };
  return { ...document, prompts: document.prompts.with(index, left) };
}

export function withoutPromptsAt(document, object, frame) {
  return { ...document, prompts: document.prompts.filter((one) => !isAt(one, object, frame)) };
}

export function freeId(document) {
  let id = 1;
  while (String(id) in document.objects) id += 1;
  return id;
}

export function withObject(document, id) {
  return { ...document, objects: { [id]: "", ...document.objects } };
}

export function withoutObject(document, object) {
  const { [object]: _gone, ...objects } = document.objects;
  const left = Object.keys(objects).length ? objects : { 1: "" };
  return { objects: left, prompts: document.prompts.filter((one) => one.object_id !== object) };
}

export function renamed(document, object, name) {
  return { ...document, objects: { ...document.objects, [object]: name } };
}

// The topmost prompt within `reach` frame pixels of a place: {prompt, point} or null.
export function hit(prompts, place, reach) {
  for (const prompt of [...prompts].reverse()) {
    if (prompt.type === "points" || prompt.type === "polygon") {
      const places = prompt.points_xy_px ?? prompt.vertices_xy_px;
      const point = places.findIndex((one) => distance(one, place) <= reach);
      if (point >= 0) return { prompt, point };
    }
    if (prompt.type !== "points" && outline(prompt).some(([a, b]) => distanceToPiece(place, a, b) <= reach)) {
      return { prompt, point: null };
    }
  }
  return null;
}

function outline(prompt) {
  if (prompt.type === "box") {
    const [x1, y1, x2, y2] = prompt.box_xyxy_px;
    return pieces([[x1, y1], [x2, y1], [x2, y2], [x1, y2], [x1, y1]]);
  }
  if (prompt.type === "polygon") {
    return pieces([...prompt.vertices_xy_px, prompt.vertices_xy_px[0]]);
  }
  return pieces(prompt.stroke_xy_px ?? []);
}

function pieces(path) {
  if (path.length === 1) return [[path[0], path[0]]];
  return path.slice(1).map((end, index) => [path[index], end]);
}

function distance([x1, y1], [x2, y2]) {
  return Math.hypot(x2 - x1, y2 - y1);
}

export function distanceToPiece([x, y], [x1, y1], [x2, y2]) {
  const square = (x2 - x1) ** 2 + (y2 - y1) ** 2;
  const along = square ? ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / square : 0;
  const t = Math.min(1, Math.max(0, along));
  return Math.hypot(x - x1 - t * (x2 - x1), y - y1 - t * (y2 - y1));
}
