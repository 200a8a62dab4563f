// The line under the frame: what to do next, or why nothing is to be seen.

import { promptsOn } from "./edits.js";
import { HINTS } from "./tools.js";

// page: {store, frame, object, tool, fixing, screen, clip, isModelReady, modelError}
export function hint(page) {
  const { store, frame, object, fixing, screen } = page;
  const here = promptsOn(store.document, frame);
  const note = screen.about.notes?.[object];
  const waits = here.length && !page.isModelReady ? "The mask comes once the model is loaded" : "";
  const first = page.modelError ?? note ?? (fixing?.refusal(frame) || page.inOut.refusal(frame) || waits);
  if (first) return first;
  const own = here.filter((one) => one.object_id === object);
  return after(page, own) ?? HINTS[page.tool];
}

// What comes after a box, where another one would take its place, and where a mask or a preview is seen.
function after({ tool, fixing, screen, object, run, store }, own) {
  if (tool !== "box") return null;
  if (run?.state === "done" && run.version === store.version && run.has_masks && !fixing) {
    return "Space plays the result · Correct it, at the side, lists what looks wrong · Export: Ctrl+E";
  }
  if (run?.state === "stopped" && !fixing && screen.map && !own.length && !screen.about.from_prompts?.length) {
    return "What is wrong here: clicks correct it (P: on the object, N: not), D paints, X: not here · Continue: Ctrl+Enter";
  }
  const next = run?.state === "running" ? "" : ` · ${document.getElementById("go").textContent}: Ctrl+Enter`;
  if (own.some((one) => one.type === "box")) {
    return `Clicks correct the mask (P: on the object, N: not) · another box replaces this one${next}`;
  }
  const isPreview = screen.map && screen.about.from_prompts?.includes(object);
  return isPreview ? `Clicks correct the preview (P: on the object, N: not)${next}` : null;
}
