// The buttons in the bar: what they say and when they can be pressed.

const byId = (id) => document.getElementById(id);

// page: {store, run, fixing, clip}
export function updateButtons({ store, run, fixing, clip }) {
  const isRunning = run?.state === "running";
  const canFix = fixing && !isRunning;
  byId("undo").disabled = !store.canUndo && !(canFix && run?.can_undo);
  byId("redo").disabled = !store.canRedo && !(canFix && run?.can_redo);
  byId("go").textContent = word(run, fixing, clip);
  byId("go").disabled = !store.document.prompts.length || isRunning;
  byId("close").hidden = fixing ? isRunning : run?.state !== "done";
}

function word(run, fixing, clip) {
  if (clip.mode === "pick") return "Save and close";
  if (fixing) return run?.state === "running" ? "Fixing …" : "Fix";
  const words = { running: "Tracking …", done: "Track again", stopped: "Continue" };
  return words[run?.state] ?? "Track";
}
