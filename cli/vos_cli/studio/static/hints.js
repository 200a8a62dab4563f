// The line under the frame: what to do next, or why nothing is to be seen.

import { promptsOn } from "./edits.js";
import { HINTS } from "./tools.js";

const EXACT = ["polygon", "mask"];

// page: {store, frame, object, tool, fixing, screen, clip, isModelReady, modelError}
export function hint(page) {
  const { store, frame, object, fixing, screen } = page;
  const here = promptsOn(store.document, frame);
  const note = screen.about.notes?.[object];
  const waits = here.length && !page.isModelReady ? "The mask comes once the model is loaded" : "";
  const first = page.modelError ?? note ?? (fixing?.refusal(frame) || page.inOut.refusal(frame) || waits);
  if (first) return first;
  const own = here.filter((one) => one.object_id === object);
  return [after(page, own) ?? HINTS[page.tool], alone(page, own)].filter(Boolean).join(" · ");
}

// What comes after a box: another one would take its place.
function after({ tool, clip, fixing }, own) {
  if (tool !== "box" || !own.some((one) => one.type === "box")) return null;
  const main = { pick: "Save and close", track: "Track", fix: "Fix" }[fixing ? "fix" : clip.mode];
  return `Clicks correct the mask (P: on the object, N: not) · another box replaces this one · ${main}: Ctrl+Enter`;
}

// While prompts are picked, the mask of a later frame knows nothing of the frames before it.
function alone({ store, frame, object, screen, clip }, own) {
  if (screen.about.knows_before || clip.is_still || !own.length || own.every((one) => EXACT.includes(one.type))) return "";
  const isLater = store.document.prompts.some((one) => one.object_id === object && one.frame_idx < frame);
  return isLater ? "Preview of this frame alone: tracking also knows the frames before" : "";
}
