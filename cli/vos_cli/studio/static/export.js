// Export: the formats of `vos export`, edges as they would be on the frame shown, and the files.

import { Lost, blob, get, send } from "./api.js";
import { copy } from "./copying.js";
import { EDGES, chosenObjects, edges, fillObjects, makeEdges, sizeOf } from "./exportform.js";
import { Delivered } from "./delivered.js";
import { element } from "./rows.js";

const POLL_MS = 300;
const REST_MS = 120; // of a slider, before a preview is asked for
const KEPT = "vos export";
const byId = (id) => document.getElementById(id);
const part = (name) => byId(`export-${name}`);

export class ExportDialog {
  #offers = null;
  #turn = 0; // of previews
  #resting = 0;
  #isFollowing = false;
  #state = { state: "none" };
  #asked = ""; // the form as it was exported last

  // page: {frame, clip, inOut, run, say(text, isBad), store, isOver}
  constructor(page) {
    this.page = page;
    this.delivered = new Delivered(page);
    byId("export").addEventListener("click", () => this.open());
    makeEdges(part("edges"));
    part("form").addEventListener("input", () => this.#changed());
    part("form").addEventListener("submit", (event) => event.preventDefault());
    for (const name of ["behind", "close"]) part(name).addEventListener("input", () => this.#changed());
    part("go").addEventListener("click", () => this.#start(false));
    part("replace").addEventListener("click", () => this.#start(true));
    part("stop").addEventListener("click", () => this.#ask(() => send("POST", "/api/export/stop")));
    part("leave").addEventListener("click", () => byId("export-dialog").close());
    part("copy").addEventListener("click", () => copy(this.#state.output, (text) => (part("text").textContent = text)));
    byId("export-dialog").addEventListener("close", () => byId("canvas").focus({ preventScroll: true }));
  }

  async open() {
    const { page } = this;
    if (byId("export").hidden || byId("export").disabled || byId("export-dialog").open) return;
    try {
      this.#offers = await get("/api/export/offers");
      this.#state = await get("/api/export");
    } catch (error) {
      page.say(error.message, true);
      return;
    }
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
    part("format").replaceChildren(...this.#offers.formats.map((one) => this.#option(one)));
    const isThere = [...part("format").options].some((one) => one.value === kept.format && !one.disabled);
    part("format").value = isThere ? kept.format : "png-matte";
    for (const { name } of EDGES) byId(`edge-${name}`).value = kept.edges?.[name] ?? 0;
    fillObjects(part("objects"), this.#offers.objects, page.clip.colours);
    part("span").checked = page.inOut.isSet;
    part("frame").textContent = `Frame ${page.frame}`;
    byId("export-dialog").showModal();
    part("format").focus();
    this.#changed();
    this.#follow();
  }

  // What was exported so far, and whether it is of the masks that there are now.
  async refresh() {
    const state = await get("/api/export");
    if (!this.#isFollowing) this.#state = state;
    this.#show();
    if (state.state === "running") this.#follow();
  }

  // What was exported and is of the masks that there are now; for the last words of the page.
  get words() {
    const places = (this.#state.made ?? []).filter((one) => one.is_current).map((one) => one.output);
    return places.length ? ` Exported into ${places.join(", ")}.` : "";
  }

  // Whether an export is still being written, which is shown then.
  async isBusy() {
    const { state } = await get("/api/export");
    if (state !== "running") return false;
    await this.open();
    this.page.say("An export is being written: wait for it, or cancel it");
    return true;
  }

  #option({ name, summary, needs_image: needsImage, missing }) {
    const why = missing ?? (needsImage && !this.#offers.has_input ? "the input is not there" : null);
    return element("option", { value: name, textContent: `${name}: ${summary}`, disabled: why !== null, title: why ?? "" });
  }

  get #format() {
    return this.#offers.formats.find(({ name }) => name === part("format").value);
  }

  #changed() {
    const { page } = this;
    const { name, summary, has_edges: hasEdges, has_bits, has_background, can_invert } = this.#format;
    part("edges").disabled = !hasEdges;
    part("bits-row").hidden = !has_bits;
    part("background-row").hidden = !has_background;
    part("invert-row").hidden = !can_invert;
    part("span-row").hidden = !page.inOut.isSet;
    const hard = "Edges are hard: a track made with --save mattes has soft ones.";
    const soft = hasEdges ? (this.#offers.is_soft ? "Edges are soft." : hard) : "Edges stay as they are.";
    // The list of formats has no room for a whole line.
    part("about").textContent = `${summary[0].toUpperCase()}${summary.slice(1)}. ${soft}\nWritten to ${this.#offers.place}-${name}`;
    sessionStorage.setItem(KEPT, JSON.stringify({ format: name, edges: edges() }));
    this.#showNext();
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => this.#preview(), REST_MS);
  }

  async #preview() {
    const turn = (this.#turn += 1);
    const sent = {
      objects: chosenObjects(), edges: this.#format.has_edges ? edges() : {}, behind: part("behind").value,
      is_close: part("close").checked, is_inverted: this.#format.can_invert && part("invert").checked,
    };
    const image = part("image");
    try {
      const found = await blob(`/api/export/preview/${this.page.frame}.jpg`, sent);
      if (turn !== this.#turn) return;
      if (image.src) URL.revokeObjectURL(image.src);
      image.src = URL.createObjectURL(found);
      image.dataset.turn = turn;
      if (this.#state.state !== "running") this.#show();
    } catch (error) {
      if (turn === this.#turn) this.#fail(error);
    }
  }

  get #form() {
    return {
      format: part("format").value, objects: chosenObjects(), edges: edges(),
      bits: Number(part("bits").value), background: part("background").value.trim() || null,
      is_inverted: part("invert").checked, is_in_out: part("span").checked && this.page.inOut.isSet,
    };
  }

  async #start(overwrite) {
    const form = this.#form;
    this.#asked = ""; // until the state is that of this one
    if (await this.#ask(() => send("POST", "/api/export", { ...form, overwrite }))) this.#asked = JSON.stringify(form);
    await this.#follow();
  }

  // Once it is written as it was asked for, nothing is left to do here.
  #showNext() {
    const { state, output, made } = this.#state;
    const isCurrent = made?.some((one) => one.output === output && one.is_current);
    const isDone = state === "done" && isCurrent && JSON.stringify(this.#form) === this.#asked;
    part("go").hidden = state === "running" || isDone;
    part("go").disabled = !chosenObjects().length;
    part("leave").textContent = isDone ? "Done" : "Close";
    part("leave").classList.toggle("primary", isDone);
  }

  // Resolves to whether it was answered.
  async #ask(request) {
    try {
      this.#state = await request();
      this.#show();
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  // Until it is over.
  async #follow() {
    if (this.#isFollowing) return;
    this.#isFollowing = true;
    try {
      while (this.#state.state === "running" && !this.page.isOver) {
        this.#show();
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        this.#state = await get("/api/export").catch((error) => {
          if (error instanceof Lost) return this.#state; // asked again once the line is back
          throw error;
        });
      }
    } catch (error) {
      this.page.say(error.message, true);
    } finally {
      this.#isFollowing = false;
    }
    this.#show();
    if (this.#state.state === "done" && !byId("export-dialog").open) this.page.say(`Exported into ${this.#state.output}`);
  }

  #fail(error) {
    part("text").textContent = error.message;
    byId("export-state").classList.add("bad");
    byId("export-state").hidden = false;
  }

  #show() {
    const { state, done, total, output, error, can_replace: canReplace, notices, summary, files, bytes } = this.#state;
    const isRunning = state === "running";
    const share = total ? Math.min(100, Math.round((100 * done) / total)) : 0;
    byId("export").textContent = isRunning ? `Export ${share} %` : "Export";
    byId("export-state").hidden = state === "none";
    byId("export-state").classList.toggle("bad", state === "failed");
    part("meter").style.width = `${state === "done" ? 100 : share}%`;
    part("meter").parentElement.hidden = state === "failed";
    const counted = files === 1 ? "1 file" : `${files} files`;
    const words = {
      running: `${done} of ${total} frames${done >= total ? ", checking what was written" : ""}`,
      done: [`Exported: ${counted}, ${sizeOf(bytes ?? 0)}; ${summary}`, ...(notices ?? [])].join("\n"),
      stopped: "Cancelled; what was there before is untouched.",
      failed: error,
    };
    part("text").textContent = words[state] ?? "";
    part("path").textContent = output ?? "";
    part("path").parentElement.hidden = state !== "done";
    part("get").hidden = !files;
    part("get").setAttribute("href", files === 1 ? "api/export/file" : "api/export/files.zip");
    part("get").textContent = files === 1 ? "Download" : "Download as zip";
    part("get").download = "";
    part("stop").hidden = !isRunning;
    this.#showNext();
    this.delivered.show(this.#state.made ?? []);
    part("replace").hidden = !canReplace;
    byId("export-dialog").dataset.state = state;
  }
}
