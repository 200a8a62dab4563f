// What the pointer does on the canvas. A draft is what is being drawn and not yet a prompt.

import { BRUSHES, Brush } from "./brush.js";
import {
  hit, promptsOn, withBox, withPoint, withPolygon, withScribble, withoutPrompt,
} from "./edits.js";
import { Handles } from "./handles.js";

const REACH = 9; // CSS pixels
const LEAST_BOX = 3; // CSS pixels
const STROKE_STEP = 2.5; // CSS pixels

export const HINTS = {
  box: "Drag a box around the object",
  point: "Click on the object · right click: not the object",
  neg: "Click what is not the object",
  polygon: "Click the corners · double click or Enter closes · Esc gives up",
  scribble: "Draw over the object · with Shift: over what is not the object",
  erase: "Click a prompt to remove it, or a point or a corner to remove that alone",
  change: "Drag corners, edges and points · with Alt a click removes one",
  brush: "Paint the mask · [ and ] change the size · with Alt: rub out",
  rub: "Rub out of the mask · [ and ] change the size · with Alt: paint",
  pan: "Drag the frame · wheel zooms",
};

export class Tools {
  #draft = null;
  #panned = null;

  // page: {view, store, frame, object, tool, redraw, isEditable, looks, screen, say, clip}
  constructor(canvas, page) {
    this.canvas = canvas;
    this.page = page;
    this.brush = new Brush(page);
    this.handles = new Handles(page);
    canvas.addEventListener("pointerleave", () => this.#leave());
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", () => this.cancel());
    canvas.addEventListener("dblclick", () => this.closePolygon());
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  get draft() {
    return this.handles.draft ? { type: "change", ...this.handles.draft } : this.#draft;
  }

  // Whether what is drawn shows where it can be grabbed.
  get isChanging() {
    return ["change", "box", "polygon"].includes(this.page.tool) && this.#draft?.type !== "polygon";
  }

  cancel() {
    this.#draft = null;
    this.#panned = null;
    this.brush.cancel();
    this.handles.cancel();
    this.page.redraw();
  }

  closePolygon() {
    if (this.#draft?.type !== "polygon") return;
    const { vertices } = this.#draft;
    this.cancel();
    const { store, object, frame } = this.page;
    if (vertices.length < 3) return;
    store.edit((document) => withPolygon(document, object, frame, vertices));
  }

  dropVertex() {
    if (this.#draft?.type !== "polygon") return false;
    this.#draft.vertices.pop();
    if (!this.#draft.vertices.length) this.#draft = null;
    this.page.redraw();
    return true;
  }

  #place(event) {
    const bounds = this.canvas.getBoundingClientRect();
    return [event.clientX - bounds.left, event.clientY - bounds.top];
  }

  #down(event) {
    this.canvas.focus({ preventScroll: true });
    if (event.isTrusted) this.canvas.setPointerCapture(event.pointerId); // the crosshair has no pointer
    const { page } = this;
    const at = this.#place(event);
    if (event.button === 1 || page.tool === "pan") {
      event.preventDefault();
      this.#panned = at;
      this.canvas.style.cursor = "grabbing";
      return;
    }
    if (!page.isEditable) return;
    const spot = page.view.toFrame(...at);
    const { store, object, frame } = page;
    const isMain = event.button === 0;
    if (BRUSHES.includes(page.tool)) {
      // Painted is what is now, not what was.
      if (page.views.now.name === "before") page.views.choose("overlay");
      else if (isMain && page.view.contains(spot)) this.brush.down(spot, event.altKey);
      return;
    }
    if (isMain && !this.#draft && this.#grab(spot, event.altKey)) {
      page.redraw();
      return;
    }
    const isClick = page.tool === "point" || page.tool === "neg";
    if (isClick && page.view.contains(spot)) {
      const label = (page.tool === "point") === (event.button === 0) ? 1 : 0;
      const point = page.view.centre(spot);
      store.edit((document) => withPoint(document, object, frame, point, label));
    } else if (event.button !== 0) {
      // Only clicks know another button.
    } else if (page.tool === "box") {
      const corner = page.view.corner(spot);
      this.#draft = { type: "box", from: corner, at, box: [...corner, ...corner] };
    } else if (page.tool === "polygon") {
      this.#addVertex(at, page.view.corner(spot));
    } else if (page.tool === "scribble" && page.view.contains(spot)) {
      const stroke = [page.view.centre(spot)];
      this.#draft = { type: "scribble", positive: !event.shiftKey, at, stroke };
    } else if (page.tool === "erase") {
      this.#erase(spot);
    }
    page.redraw();
  }

  #addVertex(at, corner) {
    if (!this.#draft) {
      this.#draft = { type: "polygon", vertices: [corner], cursor: corner };
      return;
    }
    const { vertices } = this.#draft;
    const [x, y] = this.page.view.toStage(vertices[0]);
    if (vertices.length >= 3 && Math.hypot(at[0] - x, at[1] - y) <= REACH) {
      this.closePolygon();
    } else if (`${vertices.at(-1)}` !== `${corner}`) {
      // The second press of a double click falls on the same spot.
      vertices.push(corner);
    }
  }

  #move(event) {
    const { page } = this;
    const draft = this.#draft;
    const at = this.#place(event);
    if (this.#panned) {
      page.view.pan(at[0] - this.#panned[0], at[1] - this.#panned[1]);
      this.#panned = at;
      page.redraw();
      return;
    }
    const spot = page.view.toFrame(...at);
    if (BRUSHES.includes(page.tool)) {
      this.brush.move(spot);
      page.redraw();
      return;
    }
    if (this.handles.isDragging) {
      this.handles.move(spot);
      page.redraw();
      return;
    }
    this.#point(spot);
    if (!draft) return;
    if (draft.type === "box") {
      const [x1, y1] = draft.from;
      const [x2, y2] = page.view.corner(spot);
      draft.box = [Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2)];
    } else if (draft.type === "polygon") {
      draft.cursor = page.view.corner(spot);
    } else if (Math.hypot(at[0] - draft.at[0], at[1] - draft.at[1]) >= STROKE_STEP) {
      const centre = page.view.centre(spot);
      if (`${draft.stroke.at(-1)}` !== `${centre}`) draft.stroke.push(centre);
      draft.at = at;
    }
    page.redraw();
  }

  #up(event) {
    const { page } = this;
    const draft = this.#draft;
    if (this.#panned) {
      this.#panned = null;
      page.redraw();
      return;
    }
    if (this.brush.isPainting) {
      this.brush.up();
      return;
    }
    if (this.handles.isDragging) {
      this.handles.up();
      page.redraw();
      return;
    }
    if (!draft || draft.type === "polygon") return;
    this.#draft = null;
    const { store, object, frame } = page;
    if (draft.type === "box") {
      const at = this.#place(event);
      const [x1, y1, x2, y2] = draft.box;
      const isDrag = Math.hypot(at[0] - draft.at[0], at[1] - draft.at[1]) >= LEAST_BOX;
      if (isDrag && x1 < x2 && y1 < y2) {
        store.edit((document) => withBox(document, object, frame, draft.box));
      }
    } else {
      const { stroke, positive } = draft;
      store.edit((document) => withScribble(document, object, frame, stroke, positive));
    }
    page.redraw();
  }

  #leave() {
    this.brush.at = null;
    this.page.redraw();
  }

  // Show what a press would do here.
  #point(spot) {
    const { tool, view } = this.page;
    const { style } = this.canvas;
    if (tool === "erase") style.cursor = this.#found(spot) ? "pointer" : "default";
    else if (!this.#draft && this.isChanging) {
      const grip = this.handles.find(this.#here(), spot, REACH / view.scale);
      style.cursor = grip ? "move" : tool === "change" ? "default" : "crosshair";
    }
  }

  // Take hold of what is drawn; with Alt remove it. Returns whether there was something.
  #grab(spot, isAlt) {
    const { page } = this;
    const reach = REACH / page.view.scale;
    if (isAlt && page.tool === "change") {
      this.#erase(spot);
      return true;
    }
    return this.handles.down(this.#here(), spot, reach) || page.tool === "change";
  }

  #here() {
    return promptsOn(this.page.store.document, this.page.frame);
  }

  #found(spot) {
    const { view, looks } = this.page;
    return hit(this.#here().filter((one) => !looks.isLocked(one.object_id)), spot, REACH / view.scale);
  }

  #erase(spot) {
    const found = this.#found(spot);
    const { store } = this.page;
    if (found) store.edit((document) => withoutPrompt(document, found.prompt, found.point));
  }

  #wheel(event) {
    event.preventDefault();
    const { view } = this.page;
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    if (event.shiftKey) view.pan(-(event.deltaX || event.deltaY) * lines, 0);
    else view.zoom(Math.exp((-event.deltaY * lines) / 400), ...this.#place(event));
    this.page.redraw();
  }
}
