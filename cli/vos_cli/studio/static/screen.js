// What is on the canvas: the frame, the mask over it, and getting both from the server.

import { picture, send } from "./api.js";
import { absentOn } from "./absences.js";
import { promptsOn } from "./edits.js";
import { Tint, packed } from "./labels.js";
import { Memory, maskPath } from "./memory.js";
import { paint } from "./paint.js";
import { Pictures } from "./pictures.js";

const CURSORS = { pan: "grab", erase: "default", change: "default" };
const WHITE = packed("#ffffff");
const ONION = { before: packed("#4aa8ff"), after: packed("#ff9f40") };
const EXACT_FROM = 4; // screen pixels per frame pixel from which JPEG would show
const REST_MS = 250;
const PATIENCE_MS = 80; // then a thumbnail is better than the frame before

export class Screen {
  about = {}; // what the server says about the mask
  frame = null; // the one that is seen: page.frame may be on its way
  #image = null;
  #mask = null; // of object ids
  #held = null; // one that is being painted, until the server has it
  #around = []; // masks of the frames before and after
  #tint = new Tint();
  #outlines = [];
  #shown = 0;
  #painted = 0;
  #painting = 0;
  #resting = 0;
  #seen = ""; // by the model

  // page: {clip, count, fixing, frame, isInterrupted, isModelReady, isOver, looks, object, objects, player, run, store,
  // tool, tools, view, views}
  constructor(canvas, page) {
    this.canvas = canvas;
    this.page = page;
    this.pictures = new Pictures(page.clip.width, page.clip.height);
    this.memory = new Memory(page);
  }

  // Resolves once the frame is there, to false where another one was wanted meanwhile. Rejects where there is none.
  async show(frame) {
    const { canvas, page } = this;
    const turn = (this.#shown += 1);
    if (!page.player.isPlaying) setTimeout(() => this.#showThumbnail(frame, turn), PATIENCE_MS);
    let image, mask, around;
    try {
      const parts = [this.pictures.get(this.#imagePath(frame)), this.#maskOn(frame), this.#masksAround(frame)];
      [image, mask, around] = await Promise.all(parts);
    } catch (error) {
      if (turn === this.#shown) throw error;
    }
    if (turn !== this.#shown) return false;
    this.#painted = turn;
    this.frame = frame;
    this.#image = image.bitmap;
    this.#around = around;
    if (this.#held && (this.#held.isReleased || this.#held.frame !== frame)) this.#held = null;
    canvas.dataset.frame = frame;
    this.#take(mask);
    return true;
  }

  // mask: what is shown over the frame from now on, null for nothing.
  #take(mask) {
    const { canvas } = this;
    this.#mask = mask?.map ?? null;
    this.about = mask?.about ?? {};
    canvas.dataset.version = this.about.version ?? "";
    canvas.dataset.preview = this.about.from_prompts ?? "";
    this.redraw();
  }

  // The mask that is seen, null where there is none.
  get map() {
    return this.#held?.map ?? this.#mask;
  }

  // Show a mask that is being painted, until it is released and the server's is there.
  hold(map) {
    this.#held = { map, frame: this.frame, isReleased: false };
    this.redraw();
  }

  release() {
    if (this.#held) this.#held.isReleased = true;
  }

  // box: what changed of the mask that is held.
  painted(box) {
    this.#tint.patch(this.map, this.#table, box);
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
    const { view, object, tools, looks, views } = page;
    const isStill = !page.player.isPlaying;
    const { backdrop, name } = views.now;
    canvas.dataset.look = name;
    paint(canvas, {
      view, image: this.#image, object, draft: tools.draft, colours: page.clip.colours,
      mask: this.#tint.of(this.map, this.#table), opacity: looks.isMaskShown ? looks.opacity : 0,
      preview: this.memory.tint(this.map, this.about, this.#absent),
      isStill, backdrop, ring: tools.brush.ring, handles: tools.isChanging,
      outlines: this.#around.map(({ map, way }, index) => {
        this.#outlines[index] ??= new Tint();
        return this.#outlines[index].of(map, looks.table([], ONION[way]));
      }),
      oldPrompts: isStill ? (page.fixing?.promptsOn(this.frame) ?? []) : [],
      prompts: isStill ? promptsOn(page.store.document, this.frame) : [],
    });
    this.memory.describe(this.map, this.about);
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
    this.#mask = this.#held = null;
    this.#around = [];
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
    return isDrawn && isModelReady ? maskPath(this.page, frame) : null;
  }

  // Colours of what is there on this frame.
  get #table() {
    const { looks, views } = this.page;
    return looks.table(this.#absent, views.now.backdrop === "matte" ? WHITE : null);
  }

  get #absent() {
    return absentOn(this.page.store.document, this.frame);
  }

  // What was before what is drawn here, or else before the last correction.
  #pathBefore(frame) {
    const { run, store } = this.page;
    const isDrawn = promptsOn(store.document, frame).length > 0;
    return run ? `/api/${isDrawn ? "results" : "before"}/${frame}.png?run=${run.id}` : null;
  }

  async #masksAround(frame) {
    const { views, count, player } = this.page;
    if (player.isPlaying) return [];
    const found = views.around.map(async (away) => {
      const near = frame + away;
      const mask = near >= 0 && near < count ? await this.#fetchMask(this.#maskPath(near)) : null;
      return mask && { map: mask.map, way: away < 0 ? "before" : "after" };
    });
    return (await Promise.all(found)).filter(Boolean);
  }

  async #maskOn(frame) {
    if (this.page.views.now.name === "before") return this.#fetchMask(this.#pathBefore(frame));
    const isSeen = frame === this.frame; // then what is there is not taken away for a while
    const mask = await this.#fetchMask(this.#maskPath(frame));
    return mask ?? (isSeen ? this.#fetchMask(this.memory.path(frame)) : null);
  }

  async #fetchMask(path) {
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
    if (!this.map) {
      const mask = await this.memory.ask(frame, (path) => this.pictures.get(path));
      if (turn !== this.#shown) return this.#restLater();
      if (mask) {
        this.#take(mask);
        page.updateHint();
      }
    }
    if (this.map) {
      page.objects.seen(this.map, this.#image);
      page.panel.update();
    }
    const isIdle = run?.state !== "running" && !page.isInterrupted;
    const seen = `${frame} ${run?.id}`; // a correction changes what the model remembers
    if (page.isModelReady && isIdle && this.#seen !== seen) {
      this.#seen = seen;
      send("POST", `/api/encode/${frame}`).catch(() => {});
    }
  }
}
