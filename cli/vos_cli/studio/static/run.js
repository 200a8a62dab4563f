// The side panel of tracking: how far it is, how it ended.

import { copy } from "./copying.js";

const TITLES = { running: "Tracking", done: "Tracked", stopped: "Stopped", failed: "Not tracked" };
const FIX_TITLES = {
  running: "Correcting", done: "Corrected", stopped: "Stopped", failed: "Not corrected", interrupted: "Interrupted",
};

export class RunPanel {
  #section = document.getElementById("run");
  #output = "";
  isFollowing = true;

  // on: {stop(), replace(), correct(), say(text)}
  constructor(on) {
    part("copy").addEventListener("click", () => copy(this.#output, on.say));
    part("correct").addEventListener("click", on.correct);
    part("stop").addEventListener("click", on.stop);
    part("replace").addEventListener("click", on.replace);
    part("follow").addEventListener("click", () => this.follow(!this.isFollowing));
  }

  follow(isWanted) {
    this.isFollowing = isWanted;
    part("follow").ariaPressed = String(isWanted);
  }

  // run: from the server's status. version: of the document now. isFix: it is a correction.
  show(run, version, isFix) {
    this.#section.hidden = run.state === "none";
    if (run.state === "none") return;
    const isRunning = run.state === "running";
    this.#section.classList.toggle("bad", run.state === "failed");
    part("title").textContent = (isFix ? FIX_TITLES : TITLES)[run.state];
    const share = run.total ? Math.min(1, run.done / run.total) : 0;
    part("meter").style.width = `${run.state === "done" ? 100 : 100 * share}%`;
    part("meter").parentElement.hidden = run.state === "failed" || run.state === "interrupted";
    part("text").textContent = isFix ? fixWords(run) : words(run, version);
    part("stop").hidden = !isRunning;
    part("follow").hidden = isFix || !isRunning;
    part("correct").hidden = isFix || isRunning || !run.has_result || !run.has_masks;
    part("copy").hidden = isRunning || !run.has_result;
    this.#output = run.output;
    part("replace").hidden = !run.can_replace;
  }
}

function words(run, version) {
  if (run.state === "failed") return run.error;
  if (run.state === "running" && !run.done) return "Starting …";
  const of = run.total && run.total >= run.done ? ` of ${run.total}` : "";
  const parts = [`${run.done}${of}${run.state === "running" ? "" : " frames"}`, `${run.rate.toFixed(1)} frames/s`];
  if (run.state === "running") {
    if (run.remaining_s !== null) parts.push(`${clock(run.remaining_s)} left`);
    return parts.join(" · ");
  }
  if (run.state === "stopped") {
    const far = run.newest === null ? "Before the first frame." : `After frame ${run.newest}; the masks so far stay.`;
    return `${far} Correct what is wrong: Continue goes on from the first change, else from there.`;
  }
  const changed = run.version === version ? "" : " The prompts have changed since.";
  const unseen = run.has_masks ? "" : " It has no masks to play: see --save.";
  return `${run.done ? parts.join(" · ") : "It was there already."} Result in ${run.output}.${changed}${unseen}`;
}

function fixWords(run) {
  if (run.state === "failed") return run.error;
  if (run.state === "stopped") return "The result is as it was.";
  if (run.state === "interrupted") {
    return `Tracked up to frame ${run.newest}. Continue does the rest; then it can be corrected.`;
  }
  if (run.state === "running") {
    if (!run.done) return "Starting …";
    // Masks may agree with the old ones long before the last frame that could change, so that how
    // long it takes is not known.
    return `${run.done} of at most ${run.total} · ${run.rate.toFixed(1)} frames/s`;
  }
  const spans = run.edit.spans.map((span) => `${span.first} to ${span.last}`);
  const why = run.edit.spans.some((span) => span.after === "agrees" || span.before === "agrees")
    ? " Beyond that the masks agree with those of before." : "";
  const count = run.edit.frames_changed;
  return `${count === 1 ? "1 mask" : `${count} masks`} changed, frames ${[...new Set(spans)].join(", ")}.${why}`;
}

function clock(seconds) {
  const whole = Math.ceil(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function part(name) {
  return document.getElementById(`run-${name}`);
}
