// Correcting a result: what looks wrong, what was corrected, and the timeline of both.

import { get, send } from "./api.js";
import { Review } from "./review.js";
import { element } from "./rows.js";
import { stopAfter } from "./stops.js";
import { KINDS, Timeline } from "./timeline.js";

const byId = (id) => document.getElementById(id);

export class Fixing {
  data = { prompts: [], suspicious: [], incidents: [], history: [] };
  loaded = null;
  #loading = 0;

  // page: {take(status), say(text, isBad), show(frame), go(frame), choose(object), redraw(), frame,
  // object, run, store, panel, isInterrupted}
  constructor(page) {
    this.page = page;
    this.timeline = new Timeline(page);
    this.review = new Review(page, this);
    document.body.classList.add("fix");
    for (const id of ["timeline", "history-section"]) byId(id).hidden = false;
    byId("download").hidden = true;
    byId("suspicious-before").addEventListener("click", () => this.step(-1));
    byId("suspicious-next").addEventListener("click", () => this.step(1));
    byId("fix-undo").addEventListener("click", () => this.undo());
    byId("fix-redo").addEventListener("click", () => this.redo());
  }

  // Resolves once what the server has now is shown.
  load() {
    this.loaded = this.#load();
    return this.loaded;
  }

  async #load() {
    const turn = (this.#loading += 1);
    const data = await get("/api/timeline");
    if (turn !== this.#loading) return;
    this.data = data;
    this.timeline.show(data);
    this.#showHistory();
    this.update();
    this.page.panel.update();
    this.page.redraw();
  }

  // What the result was made with on this frame.
  promptsOn(frame) {
    return this.data.prompts.filter((prompt) => prompt.frame_idx === frame);
  }

  // Whether the object is part of the result, and not only drawn here.
  has(object) {
    return !this.data.objects || object in this.data.objects;
  }

  // Why nothing can be drawn on this frame, "" where it can.
  refusal(frame) {
    if (this.page.isInterrupted) return "Interrupted: Continue does the rest, then it can be corrected";
    const [first, last] = this.data.frames ?? [frame, frame];
    if (first <= frame && frame <= last) return "";
    return `Not part of the result, which has frames ${first} to ${last}`;
  }

  start() {
    return this.#ask("/api/fix");
  }

  undo() {
    return this.#ask("/api/fix/undo");
  }

  redo() {
    return this.#ask("/api/fix/redo");
  }

  // To the next incident that is to be looked at, or the one before.
  step(way) {
    const { page, review } = this;
    const one = stopAfter(review.open, page, way);
    if (!one) {
      page.say(way > 0 ? "Nothing to look at after this frame" : "Nothing to look at before this frame");
      return;
    }
    page.choose(one.object_id);
    page.go(one.first);
  }

  update() {
    const { page, data } = this;
    const here = data.suspicious
      .filter((one) => one.first <= page.frame && page.frame <= one.last)
      .sort((one, other) => (other.object_id === page.object) - (one.object_id === page.object));
    const words = here.map((one) => {
      const name = page.store.document.objects[one.object_id] || `object ${one.object_id}`;
      const frames = one.first === one.last ? `frame ${one.first}` : `frames ${one.first} to ${one.last}`;
      return `${name}: ${KINDS[one.kind].text}, ${frames}`;
    });
    const { open } = this.review;
    const total = open.length ? `${open.length} to look at` : data.incidents.length ? "All looked at" : "Nothing suspicious";
    const text = byId("suspicious-text");
    text.textContent = words.join(" · ") || total;
    text.title = words.join("\n"); // there may be no room for all of it
    text.classList.toggle("found", words.length > 0);
    byId("suspicious-before").disabled = !stopAfter(open, page, -1);
    byId("suspicious-next").disabled = !stopAfter(open, page, 1);
    const isRunning = page.run?.state === "running";
    byId("add-object").hidden = page.isInterrupted;
    byId("fix-undo").disabled = isRunning || !page.run?.can_undo;
    byId("fix-redo").disabled = isRunning || !page.run?.can_redo;
    this.review.update();
    this.timeline.redraw();
  }

  async #ask(path) {
    const { page } = this;
    await page.store.settled();
    try {
      page.take(await send("POST", path));
    } catch (error) {
      page.say(error.message, true);
    }
  }

  #showHistory() {
    const rows = this.data.history.map((entry) => this.#row(entry)).reverse();
    if (!rows.length) {
      const row = document.createElement("li");
      Object.assign(row, { className: "empty", textContent: "No corrections yet" });
      rows.push(row);
    }
    byId("history").replaceChildren(...rows);
  }

  #row(entry) {
    const row = document.createElement("li");
    row.classList.toggle("undone", !entry.is_in_force);
    row.title = `${entry.when.replace("T", " ").replace("Z", " UTC")}${entry.is_in_force ? "" : ", taken back"}`;
    const ids = [...new Set(entry.spans.map((span) => span.object_id))];
    const go = element("button", { className: "quiet pick spring" });
    for (const id of ids) {
      const dot = element("span", { className: "dot" });
      dot.style.background = this.page.clip.colours[id];
      go.append(dot);
    }
    const first = Math.min(...entry.spans.map((span) => span.first));
    const last = Math.max(...entry.spans.map((span) => span.last));
    const text = document.createElement("span");
    text.className = "spring";
    text.textContent = first === last ? `Frame ${first}` : `Frames ${first} to ${last}`;
    const count = document.createElement("span");
    count.textContent = entry.frames_changed === 1 ? "1 mask" : `${entry.frames_changed} masks`;
    go.append(text, count);
    row.append(go);
    go.addEventListener("click", () => {
      this.page.choose(ids[0]);
      this.page.go(entry.spans[0].corrected);
    });
    return row;
  }
}
