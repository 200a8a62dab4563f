// The page: where one is, what is under way, and who is told when that changes.

import { Lost, get, send } from "./api.js";
import { updateButtons, updateFacts } from "./buttons.js";
import { Connection } from "./connection.js";
import { Crosshair } from "./crosshair.js";
import { ExportDialog } from "./export.js";
import { Fixing } from "./fixing.js";
import { hint } from "./hints.js";
import { InOut } from "./inout.js";
import { Keys } from "./keys.js";
import { Looks } from "./looks.js";
import { Models } from "./models.js";
import { NotHere } from "./nothere.js";
import { Objects } from "./objects.js";
import { Panel } from "./panel.js";
import { Offers, askToClose } from "./offers.js";
import { Player } from "./player.js";
import { RunPanel } from "./run.js";
import { Screen } from "./screen.js";
import { shortcuts } from "./shortcuts.js";
import { Sound } from "./sound.js";
import { Store } from "./store.js";
import { Tools } from "./tools.js";
import { View } from "./view.js";
import { Views } from "./views.js";

const PATIENCE_MS = 10_000; // then a poll that hangs counts as lost

const byId = (id) => document.getElementById(id);
const canvas = byId("canvas");

class Page {
  store = new Store(() => this.connection.back());
  connection = new Connection({
    ask: () => this.#ask(),
    healed: () => this.#healed(),
    isBusy: () => this.isBusy,
    isOver: () => this.isOver,
  });
  frame = 0;
  count = 1;
  object = 1;
  run = null;
  fixing = null; // where the page corrects a result
  isModelReady = false;
  modelError = null; // why there is no model
  isOver = false;
  isBusy = false;
  status = null; // the server's, as it was last
  #number = -1; // of that status
  #toasting = 0;

  async open() {
    this.clip = await get("/api/clip");
    document.title = `${this.clip.name} · vos`;
    byId("clip-name").textContent = this.clip.name;
    this.view = new View(this.clip.width, this.clip.height);
    this.view.fit(canvas.clientWidth, canvas.clientHeight);
    this.looks = new Looks(this.clip.colours);
    this.objects = new Objects(this);
    this.screen = new Screen(canvas, this);
    this.tools = new Tools(canvas, this);
    this.crosshair = new Crosshair(canvas, this);
    this.panel = new Panel(this);
    this.sound = new Sound(this);
    this.player = new Player(this);
    this.inOut = new InOut(this);
    this.offers = new Offers(this);
    this.runPanel = new RunPanel({
      stop: () => send("POST", "/api/stop"),
      replace: () => this.track(true),
      correct: () => this.correct(),
      say: (text) => this.say(text),
    });
    if (this.clip.mode === "fix") this.fixing = new Fixing(this);
    this.views = new Views(this);
    this.notHere = new NotHere(this);
    new Models(this);
    this.exporting = new ExportDialog(this);
    this.looks.addEventListener("change", () => this.#looksChanged());
    this.#looksChanged();
    this.#connect(); // on a slow line people are faster than the rest of this
    const before = JSON.parse(sessionStorage.getItem(this.clip.session) ?? "{}");
    this.useTool(before.tool ?? this.clip.tool);
    this.store.addEventListener("change", (event) => this.#documentChanged(event.detail));
    this.store.addEventListener("refused", (event) => this.say(event.detail, true));
    await this.store.load();
    this.choose(before.object ?? 1);
    await this.#ask();
    await this.fixing?.loaded;
    await this.show(before.frame ?? this.store.document.prompts[0]?.frame_idx ?? this.fixing?.data.frames?.[0] ?? 0);
    if (this.clip.notes.length) this.say(this.clip.notes.join("\n"), true);
    this.connection.watch();
  }

  // Where things are: the user's own moves stop playback and following.
  go(frame) {
    this.player.stop();
    this.runPanel.follow(false);
    if (Number.isFinite(frame)) this.show(frame);
    this.player.update();
  }

  async show(frame) {
    const wanted = Math.round(Math.min(this.count - 1, Math.max(0, frame)));
    if (wanted !== this.frame) this.tools.cancel();
    this.frame = wanted;
    this.#remember();
    this.player.update();
    try {
      if (!(await this.screen.show(wanted))) return;
      this.panel.update();
      this.fixing?.update();
      this.updateHint();
    } catch (error) {
      if (error instanceof Lost) this.connection.back(); // shown again once it answers
      else this.say(error.message, true);
    }
  }

  choose(object) {
    const ids = Object.keys(this.store.document.objects).map(Number);
    this.object = ids.includes(object) ? object : ids[0];
    this.tools.cancel();
    this.#remember();
    this.panel.update();
    this.fixing?.update();
  }

  useTool(tool) {
    this.tool = tool;
    this.tools.cancel();
    for (const button of document.querySelectorAll("[data-tool]")) {
      button.ariaPressed = String(button.dataset.tool === tool);
    }
    this.updateHint();
    this.#remember();
  }

  // What is drawn belongs to the frame that is seen, which then stays: not to one that is on its way.
  get isEditable() {
    const seen = this.screen.frame ?? this.frame;
    if (this.player.isPlaying) this.player.stop();
    this.runPanel.follow(false);
    if (seen !== this.frame) {
      this.frame = seen;
      this.show(seen);
    }
    const locked = this.looks.isLocked(this.object) ? "This object is locked: unlock it in the list of objects" : "";
    const refusal = this.fixing?.refusal(seen) || this.inOut.refusal(seen) || locked;
    if (refusal) this.say(refusal);
    return !this.isOver && !refusal;
  }

  // Whether only what an interrupted track left is shown.
  get isInterrupted() {
    return this.run?.state === "interrupted";
  }

  redraw() {
    this.screen.redraw();
  }

  async track(overwrite = false) {
    await this.store.settled();
    try {
      this.runPanel.follow(true);
      this.take(await send("POST", "/api/track", { overwrite }));
    } catch (error) {
      this.say(error.message, true);
    }
  }

  // From now on what was tracked is corrected; another page, as it were.
  correct() {
    return this.#turnInto("/api/correct");
  }

  async #turnInto(path) {
    try {
      this.take(await send("POST", path));
    } catch (error) {
      this.say(error.message, true);
    }
  }

  // In this tab or another one it was made a page of something else; it goes on from the same frame.
  #turn(session) {
    this.isOver = true;
    const { frame, object } = this;
    sessionStorage.setItem(session, JSON.stringify({ frame, object }));
    location.reload();
  }

  // Where nothing is drawn, the last correction is what was done last.
  undo() {
    if (this.fixing && !this.store.canUndo && this.run?.can_undo) this.fixing.undo();
    else this.store.undo();
  }

  redo() {
    if (this.fixing && !this.store.canRedo && this.run?.can_redo) this.fixing.redo();
    else this.store.redo();
  }

  async save(isLast) {
    await this.store.settled();
    try {
      this.take(await send("POST", "/api/save"));
      this.say(`Saved ${this.clip.save_to}`);
      if (isLast) await this.finish("Saved", `The prompts are in ${this.clip.save_to}.`);
    } catch (error) {
      this.say(error.message, true);
    }
  }

  async close() {
    await this.store.settled();
    await this.#ask().catch(() => {});
    if (await this.exporting.isBusy().catch(() => false)) return;
    const { prompts } = this.store.document;
    const answer = await askToClose(this.status, prompts.length, this.fixing !== null);
    if (!answer) return;
    const isHalfDone = this.isInterrupted || !this.run?.has_result;
    if (isHalfDone) await this.finish("Closed", "The track is still to be continued.", answer);
    else await this.finish("Done", `The result is in ${this.run.output}.${this.exporting.words}`, answer);
  }

  async finish(title, text, { drop = false } = {}) {
    await send("POST", "/api/finish", { drop });
    this.end(title, `${text} You can close this tab.`);
  }

  end(title, text) {
    this.isOver = true;
    this.player.stop();
    byId("over-title").textContent = title;
    byId("over-text").textContent = text;
    byId("over").hidden = false;
  }

  say(text, isBad = false) {
    const toast = byId("toast");
    toast.textContent = text;
    toast.classList.toggle("bad", isBad);
    toast.hidden = false;
    clearTimeout(this.#toasting);
    this.#toasting = setTimeout(() => (toast.hidden = true), isBad ? 7000 : 3500);
  }

  fit() {
    this.view.fit(canvas.clientWidth, canvas.clientHeight);
    this.redraw();
  }

  #looksChanged() {
    const { opacity, isMaskShown, theme } = this.looks;
    document.documentElement.dataset.theme = theme ?? this.clip.settings.theme;
    byId("opacity").value = Math.round(100 * opacity);
    byId("mask-word").textContent = isMaskShown ? "Mask" : "Off";
    byId("mask-word").ariaPressed = String(isMaskShown);
    this.panel.update();
    this.fixing?.timeline.recolour();
    this.redraw();
  }

  #documentChanged(kind) {
    if (!(this.object in this.store.document.objects)) this.choose(this.object);
    updateButtons(this);
    this.player.update();
    this.panel.update();
    this.redraw();
    if (kind === "kept" && !this.player.isPlaying) this.show(this.frame);
  }

  updateHint() {
    byId("hint").textContent = hint(this);
  }

  take(status) {
    if (status.session !== this.clip.session) {
      this.#turn(status.session);
      return;
    }
    if (status.number < this.#number) return; // on its way while something newer came
    this.#number = status.number;
    const { state: before, id: masksBefore } = this.run ?? {};
    const { draft_error: lostBefore } = this.status ?? {};
    this.status = status;
    this.count = Math.max(1, status.frames.count);
    this.run = status.run;
    const { model, frames } = status;
    const wasReady = this.isModelReady;
    this.isModelReady = model.is_ready;
    this.modelError = model.error;
    if (model.error) this.updateHint();
    this.inOut.take(status.in_out);
    this.offers.show(status);
    if (status.draft_error && status.draft_error !== lostBefore) this.say(`Not kept for next time: ${status.draft_error}`, true);
    updateFacts(this.clip, status);
    this.player.update();
    if (this.run) this.runPanel.show(this.run, this.store.version, this.fixing !== null);
    updateButtons(this);
    this.fixing?.update();
    if (this.fixing && this.run.id !== masksBefore) this.#masksChanged();
    if (this.run?.has_result && (this.run.id !== masksBefore || before === "running")) this.exporting.refresh().catch(() => {});
    if (!wasReady && model.is_ready) this.show(this.frame);
    if (this.run && !this.fixing && this.run.state !== before) this.#runChanged(before);
    this.isBusy = this.run?.state === "running" || !frames.is_complete || !(model.is_ready || model.error);
    const { newest } = this.run ?? {};
    if (this.run?.state === "running" && this.runPanel.isFollowing && newest !== null) this.show(newest);
    this.store.follow(status.version);
  }

  #masksChanged() {
    this.fixing.load().catch((error) => {
      if (error instanceof Lost) this.connection.back(); // loaded again once it answers
      else this.say(error.message, true);
    });
    this.store.load();
    if (canvas.dataset.frame !== undefined) this.show(this.frame);
  }

  #runChanged(before) {
    if (this.run.state === "done") {
      if (before === "running") this.say("Tracked. Space plays the result.");
      this.show(before === "running" && this.runPanel.isFollowing ? this.inOut.from : this.frame);
    } else if (before === "running") {
      this.show(this.runPanel.isFollowing ? (this.run.newest ?? this.frame) : this.frame);
    }
  }

  async #ask() {
    this.take(await get("/api/status", PATIENCE_MS));
  }

  #healed() {
    this.say("Connected again");
    this.fixing?.load().catch(() => {});
    this.show(this.frame);
  }

  #remember() {
    if (!this.clip) return;
    const { frame, tool, object } = this;
    sessionStorage.setItem(this.clip.session, JSON.stringify({ frame, tool, object }));
  }

  #connect() {
    for (const button of document.querySelectorAll("[data-tool]")) {
      button.addEventListener("click", () => this.useTool(button.dataset.tool));
    }
    const isPick = this.clip.mode === "pick";
    const fix = () => (this.isInterrupted ? this.#turnInto("/api/continue") : this.fixing.start());
    const track = () => (this.fixing ? fix() : this.track());
    const main = () => (isPick ? this.save(true) : track());
    byId("fit").addEventListener("click", () => this.fit());
    byId("undo").addEventListener("click", () => this.undo());
    byId("redo").addEventListener("click", () => this.redo());
    byId("go").addEventListener("click", main);
    byId("close").addEventListener("click", () => this.close());
    window.addEventListener("beforeunload", (event) => {
      if (this.store.isPending && !this.isOver) event.preventDefault();
    });
    byId("help").addEventListener("click", () => byId("keys").showModal());
    byId("theme").addEventListener("click", () => {
      this.looks.change({ theme: document.documentElement.dataset.theme === "light" ? "dark" : "light" });
    });
    byId("opacity").addEventListener("input", (event) => {
      this.looks.change({ opacity: event.target.value / 100, isMaskShown: true });
    });
    new ResizeObserver(() => (this.view.isFitted ? this.fit() : this.redraw())).observe(canvas);
    new Keys(shortcuts(this), this.clip.settings, (text) => this.say(text, true));
  }
}

new Page().open();
