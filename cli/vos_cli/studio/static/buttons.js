// The bar: what its buttons say and when they can be pressed, the clip, the model.

const BESIDE_NAME = 28; // CSS pixels of the model's button

const byId = (id) => document.getElementById(id);

// page: {store, run, fixing, clip}
export function updateButtons({ store, run, fixing, clip }) {
  const isRunning = run?.state === "running";
  const canFix = fixing && !isRunning;
  byId("undo").disabled = !store.canUndo && !(canFix && run?.can_undo);
  byId("redo").disabled = !store.canRedo && !(canFix && run?.can_redo);
  byId("go").textContent = word(run, fixing, clip);
  const isReady = store.document.prompts.length || run?.state === "interrupted";
  byId("go").disabled = !isReady || isRunning;
  const isHalfDone = ["stopped", "interrupted"].includes(run?.state);
  byId("export").hidden = !run?.has_result || !run.has_masks;
  byId("export").disabled = isRunning;
  byId("close").hidden = isRunning || !(run?.has_result || isHalfDone);
}

function word(run, fixing, clip) {
  if (clip.mode === "pick") return "Save and close";
  if (fixing) return { running: "Fixing …", interrupted: "Continue" }[run?.state] ?? "Fix";
  const words = { running: "Tracking …", done: "Track again", stopped: "Continue" };
  return words[run?.state] ?? "Track";
}

export function updateFacts(clip, { model, frames }) {
  const chip = byId("model");
  chip.className = `quiet chip ${model.error ? "failed" : model.is_ready ? "ready" : ""}`;
  // What is for trying out says so first; what to get instead follows where there is room for it.
  const [first, ...more] = (model.is_ready ? (model.note ?? model.name) : (model.error ? "no model" : "loading the model")).split("; ");
  const name = byId("model-name");
  if (name.textContent !== first) {
    name.textContent = first;
    chip.style.minWidth = `${name.offsetWidth + BESIDE_NAME}px`;
  }
  byId("model-more").textContent = more.length ? `; ${more.join("; ")}` : "";
  chip.title = `${model.error ?? model.note ?? model.name ?? ""}\nShows the models on this machine`.trim();
  byId("clip-facts").textContent = byId("clip-facts").title = facts(clip, frames).join(" · ");
}

function facts(clip, { count, is_complete: isComplete }) {
  const { width, height, rate, is_still: isStill, is_rate_assumed: isAssumed } = clip;
  const size = `${width} × ${height}`;
  if (isStill) return [size];
  return [size, `${count} frames${isComplete ? "" : " …"}`, `${Number(rate.toFixed(2))} fps${isAssumed ? " (images have no times: --rate)" : ""}`];
}
