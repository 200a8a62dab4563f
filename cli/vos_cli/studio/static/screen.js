// What is on the canvas: the frame, the mask over it, and getting both from the server.

import { picture, send } from "./api.js";
import { promptsOn } from "./edits.js";
import { paint } from "./paint.js";
import { Pictures } from "./pictures.js";

const CURSORS = { pan: "grab", erase: "default" };
const EXACT_FROM = 4; // screen pixels per frame pixel from which JPEG would show
const REST_MS = 250;
const PATIENCE_MS = 80; // then a thumbnail is better than the frame before

export class Screen {
  about = {}; // what the server says about the mask
  frame = null; // the one that is seen: page.frame may be on its way
  opacity = 0.45;
  isMaskShown = true;
  #image = null;
  #mask = null;
  #shown = 0;
  #painted = 0;
  #painting = 0;
  #resting = 0;
  #seen = ""; // by the model

  // page: {clip, count, fixing, frame, isInterrupted, isModelReady, isOver, object, player, run, store, tool, tools,
  // view}
  constructor(canvas, page) {
    this.canvas = canvas;
    this.page = page;
    this.pictures = new Pictures(page.clip.width, page.clip.height);
  }

  // Resolves once the frame is there, to false where another one was wanted meanwhile. Rejects where there is none.
  async show(frame) {
    const { canvas, page } = this;
    const turn = (this.#shown += 1);
    if (!page.player.isPlaying) setTimeout(() => this.#showThumbnail(frame, turn), PATIENCE_MS);
    let image, mask;
    try {
      [image, mask] = await Promise.all([this.pictures.get(this.#imagePath(frame)), this.#maskOn(frame)]);
    } catch (error) {
      if (turn === this.#shown) throw error;
    }
    if (turn !== this.#shown) return false;
    this.#painted = turn;
    this.frame = frame;
    this.#image = image.bitmap;
    this.#mask = mask?.bitmap ?? null;
    this.about = mask?.about ?? {};
    canvas.dataset.frame = frame;
    canvas.dataset.version = this.about.version ?? "";
    this.redraw();
    return true;
  }

  toggleMask() {
    this.isMaskShown = !this.isMaskShown;
    this.redraw();
  }

  // Have a frame ready that will be shown soon.
  expect(frame) {
    if (frame >= this.page.count) return;
    this.pictures.expect(this.#imagePath(frame));
    const path = this.#maskPath(frame);
    if (path) this.pictures.expect(path);
  }

  redraw() {
    cancelAnimationFrame(this.#painting);
    this.#painting = requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    const { canvas, page } = this;
    const { view, object, tools } = page;
    const isStill = !page.player.isPlaying;
    paint(canvas, {
      view, image: this.#image, object, draft: tools.draft, colours: page.clip.colours,
      mask: this.#mask, opacity: this.isMaskShown ? this.opacity : 0,
      hasEdges: isStill,
      oldPrompts: isStill ? (page.fixing?.promptsOn(this.frame) ?? []) : [],
      prompts: isStill ? promptsOn(page.store.document, this.frame) : [],
    });
    canvas.style.cursor = CURSORS[page.tool] ?? "crosshair";
    canvas.dataset.view = [view.scale, view.x, view.y].join();
    document.getElementById("zoom").textContent = `${Math.round(view.scale * 100)} %`;
    this.#restLater();
  }

  async #showThumbnail(frame, turn) {
    const isLate = () => turn === this.#shown && this.#painted < turn;
    if (!isLate() || Number(this.canvas.dataset.frame) === frame) return;
    const small = await picture(`/api/thumbnails/${frame}.jpg?s=${this.page.clip.session}`).catch(() => null);
    if (!small || !isLate()) return;
    this.frame = frame;
    this.#image = small.bitmap;
    this.#mask = null;
    this.canvas.dataset.thumbnail = frame;
    this.redraw();
  }

  #imagePath(frame) {
    const { clip, player, view } = this.page;
    const isClose = view.scale * window.devicePixelRatio >= EXACT_FROM;
    const kind = isClose && !player.isPlaying ? "png" : "jpg";
    return `/api/frames/${frame}.${kind}?s=${clip.session}`;
  }

  // The result where it is of these prompts or there are none here, else the preview.
  #maskPath(frame) {
    const { fixing, isModelReady, run, store } = this.page;
    const isDrawn = promptsOn(store.document, frame).length > 0;
    if (fixing) {
      const kind = isDrawn && isModelReady ? `masks/${frame}.png?v=${store.version}&` : `results/${frame}.png?`;
      return run ? `/api/${kind}run=${run.id}` : null;
    }
    const hasResult = run?.has_masks && run.state !== "none";
    if (hasResult && (!isDrawn || run.version === store.version)) {
      return `/api/results/${frame}.png?run=${run.id}`;
    }
    return isDrawn && isModelReady ? `/api/masks/${frame}.png?v=${store.version}&run=${run?.id}${run?.state}` : null;
  }

  async #maskOn(frame) {
    const path = this.#maskPath(frame);
    if (!path) return null;
    const mask = await this.pictures.get(path);
    if (!mask) this.pictures.forget(path); // it may still come
    return mask;
  }

  #restLater() {
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => this.#rest(), REST_MS);
  }

  // Somebody looks at this frame: have the model look at it too, and show it to the last bit.
  async #rest() {
    const { page } = this;
    const { frame, run } = page;
    const turn = this.#shown;
    if (page.player.isPlaying || page.isOver || !this.#image || this.#painted !== turn) return;
    const path = this.#imagePath(frame);
    if (path.includes(".png")) {
      const exact = await this.pictures.get(path).catch(() => null);
      if (turn !== this.#shown) return;
      if (exact && this.#image !== exact.bitmap) {
        this.#image = exact.bitmap;
        this.redraw();
      }
    }
    const isIdle = run?.state !== "running" && !page.isInterrupted;
    const seen = `${frame} ${run?.id}`; // a correction changes what the model remembers
    if (page.isModelReady && isIdle && this.#seen !== seen) {
      this.#seen = seen;
      send("POST", `/api/encode/${frame}`).catch(() => {});
    }
  }
}
