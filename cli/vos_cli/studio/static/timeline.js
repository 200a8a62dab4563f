// What each object was over time, under the frame slider and to its scale, between In and Out, or closer.

import { Hover } from "./hover.js";
import { Span } from "./span.js";

const STRIPS = [
  { name: "area", label: "Area" },
  { name: "iou", label: "IoU", low: 0, high: 1 },
  { name: "score", label: "Score", low: -8, high: 8, zero: 0 },
];
const STRIP = 18; // CSS pixels
const GAP = 3;
const BLOCK = STRIPS.length * (STRIP + GAP) + 12;
const TOP = 4;
const WHEEL = 1.4; // a step of it
const EDGE = 8; // the slider's knob reaches as far beyond its ends
export const KINDS = {
  lost: { colour: "229 72 77", text: "lost" },
  "score drop": { colour: "240 169 64", text: "score drop" },
  "area jump": { colour: "190 140 255", text: "area jump" },
  "low score": { colour: "150 160 175", text: "the model is not sure" },
  "after cut": { colour: "74 170 255", text: "tracked across a cut" },
};

export class Timeline {
  #canvas = document.getElementById("timeline-canvas");
  #still = document.createElement("canvas");
  #drawn = "";
  data = null;

  // page: {clip, frame, count, object, store, go(frame), choose(object)}
  constructor(page) {
    this.page = page;
    this.span = new Span(page);
    this.hover = new Hover(page, this.#canvas);
    this.#canvas.addEventListener("pointerdown", (event) => {
      this.#canvas.setPointerCapture(event.pointerId);
      const object = this.#objectAt(event);
      if (object !== undefined && object !== page.object) page.choose(object);
      this.#goTo(event);
    });
    this.#canvas.addEventListener("pointermove", (event) => {
      if (this.#canvas.hasPointerCapture(event.pointerId)) this.#goTo(event);
      this.hover.show(this.#frameAt(event), this.#objectAt(event), event.offsetX);
    });
    this.#canvas.addEventListener("wheel", (event) => this.#turn(event), { passive: false });
    document.getElementById("closer").addEventListener("click", () => this.zoom(2));
    document.getElementById("wider").addEventListener("click", () => this.zoom(0.5));
    document.getElementById("whole").addEventListener("click", () => {
      if (this.span.isWhole) this.span.fit();
      else this.span.whole();
      this.redraw();
    });
    new ResizeObserver(() => this.redraw()).observe(this.#canvas.parentElement);
  }

  // data: of /api/timeline
  show(data) {
    this.data = data;
    this.#drawn = "";
    this.#canvas.style.height = `${TOP + BLOCK * this.#ids().length}px`;
    this.redraw();
  }

  recolour() {
    this.#drawn = "";
    this.redraw();
  }

  redraw() {
    if (!this.data || !this.#canvas.clientWidth) return;
    const ratio = window.devicePixelRatio;
    const size = [this.#canvas.clientWidth * ratio, this.#canvas.clientHeight * ratio].map(Math.round);
    const { page, span } = this;
    span.update();
    this.#showSpan();
    const place = this.#place();
    const kind = [...size, ...Object.values(place), page.count, page.object, this.data.id].join();
    if (kind !== this.#drawn) {
      [this.#canvas.width, this.#canvas.height] = [this.#still.width, this.#still.height] = size;
      this.#drawStill(this.#still.getContext("2d"), ratio, place);
      this.#drawn = kind;
    }
    const context = this.#canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, ...size);
    context.drawImage(this.#still, 0, 0);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#drawNow(context, place);
    this.#canvas.dataset.id = this.data.id;
  }

  #ids() {
    return Object.keys(this.data?.objects ?? {}).map(Number);
  }

  // Where the frames are, in CSS pixels of the canvas: under the slider's knob.
  #place() {
    const slider = document.getElementById("slider").getBoundingClientRect();
    const own = this.#canvas.getBoundingClientRect();
    const { from, to } = this.span;
    return { left: slider.left - own.left + 8, width: slider.width - 16, from, to };
  }

  #x(frame, { left, width, from, to }) {
    return left + (width * (frame - from)) / Math.max(1, to - from);
  }

  #frameAt(event) {
    const { left, width, from, to } = this.#place();
    const share = clamp((event.offsetX - left) / width, 0, 1);
    return Math.min(this.page.count - 1, Math.round(from + share * (to - from)));
  }

  #objectAt(event) {
    return this.#ids()[Math.floor((event.offsetY - TOP) / BLOCK)];
  }

  #goTo(event) {
    this.page.go(this.#frameAt(event));
  }

  // factor: above 1 to see more closely, about the frame that is shown or another.
  zoom(factor, about = this.page.frame) {
    this.span.zoom(factor, about);
    this.redraw();
  }

  // The wheel zooms where there is nothing to scroll, or with Ctrl; sideways or with Shift it moves.
  #turn(event) {
    const strips = this.#canvas.parentElement;
    const isSideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!isSideways && !event.ctrlKey && strips.scrollHeight > strips.clientHeight) return;
    event.preventDefault();
    const { from, to, width } = this.#place();
    if (isSideways) this.span.move((((event.deltaX || event.deltaY) / width) * (to - from)));
    else this.span.zoom(event.deltaY < 0 ? WHEEL : 1 / WHEEL, this.#frameAt(event));
    this.redraw();
  }

  #showSpan() {
    const { from, to, isWhole, isNarrower } = this.span;
    const whole = document.getElementById("whole");
    whole.hidden = isWhole && !isNarrower;
    whole.textContent = isWhole ? "Fit" : "Whole";
    whole.title = isWhole ? "Only what is tracked, between In and Out" : "All frames of the clip";
    document.getElementById("span-text").hidden = isWhole;
    document.getElementById("wider").disabled = isWhole;
    document.getElementById("span-text").textContent = `Frames ${Math.ceil(from)} to ${Math.floor(to)}`;
  }

  #drawStill(context, ratio, place) {
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#ids().forEach((id, index) => this.#drawObject(context, id, TOP + index * BLOCK, place));
    const bottom = TOP + this.#ids().length * BLOCK - 8;
    context.strokeStyle = "rgb(255 255 255 / 65%)";
    context.lineWidth = 1;
    context.setLineDash([3, 3]);
    for (const cut of this.data.cuts) {
      if (!isInside(cut, place)) continue;
      const x = Math.round(this.#x(cut, place)) - 0.5;
      stroke(context, [[x, 0], [x, bottom]]);
    }
    context.setLineDash([]);
  }

  #drawObject(context, id, top, place) {
    const { data, page } = this;
    const colour = page.clip.colours[id];
    const height = STRIPS.length * (STRIP + GAP) - GAP;
    const half = Math.max(0.5, place.width / Math.max(1, place.to - place.from) / 2);
    const range = (first, last) => {
      const from = this.#x(first, place) - half;
      return [from, Math.max(2, this.#x(last, place) + half - from)];
    };
    if (id === page.object) {
      context.fillStyle = "rgb(255 255 255 / 4%)";
      context.fillRect(0, top - 3, place.left + place.width + 400, height + 7);
    }
    context.save();
    context.beginPath();
    context.rect(place.left - EDGE, top - 2, place.width + 2 * EDGE, height + 8);
    context.clip(); // the frames of a short clip are wide, and half of the first would cover words
    STRIPS.forEach((strip, row) => {
      context.fillStyle = "#0d0f12";
      context.fillRect(0, top + row * (STRIP + GAP), place.left + place.width + EDGE, STRIP);
    });
    for (const one of data.suspicious) {
      if (one.object_id !== id) continue;
      const [from, wide] = range(one.first, one.last);
      context.fillStyle = `rgb(${KINDS[one.kind].colour} / 34%)`;
      context.fillRect(from, top, wide, height);
      context.fillStyle = `rgb(${KINDS[one.kind].colour})`;
      context.fillRect(from, top - 2, wide, 2);
    }
    for (const [first, last] of data.absent[id] ?? []) {
      const [from, wide] = range(first, last);
      context.fillStyle = hatching(context);
      context.fillRect(from, top, wide, height);
    }
    const series = data.objects[id];
    const most = series.area.reduce((most, value) => Math.max(most, value ?? 0), 1);
    STRIPS.forEach((strip, row) => {
      const y = top + row * (STRIP + GAP);
      const { low, high } = strip.name === "area" ? { low: 0, high: most } : strip;
      const toY = (value) => y + STRIP - 1 - ((STRIP - 2) * (clamp(value, low, high) - low)) / (high - low);
      if (strip.zero !== undefined) {
        context.strokeStyle = "rgb(255 255 255 / 16%)";
        context.lineWidth = 1;
        stroke(context, [[place.left, toY(0)], [place.left + place.width, toY(0)]]);
      }
      const isArea = strip.name === "area";
      this.#drawSeries(context, series, strip.name, place, toY, isArea ? y + STRIP : null, colour);
    });
    const edit = data.history.filter((entry) => entry.is_in_force).at(-1);
    for (const span of edit?.spans ?? []) {
      if (span.object_id !== id) continue;
      const [from, wide] = range(span.first, span.last);
      context.fillStyle = "#6fcf97";
      context.fillRect(from, top + height + 1, wide, 3);
    }
    context.restore();
    context.fillStyle = colour;
    for (const frame of data.prompted[id] ?? []) {
      if (!isInside(frame, place)) continue;
      const x = this.#x(frame, place);
      context.beginPath();
      context.moveTo(x - 4, top - 4);
      context.lineTo(x + 4, top - 4);
      context.lineTo(x, top + 3);
      context.fill();
    }
  }

  // Each column of device pixels shows the least and the greatest value of its frames.
  #drawSeries(context, series, name, place, toY, floor, colour) {
    const ratio = window.devicePixelRatio;
    const columns = new Map();
    series[name].forEach((value, index) => {
      if (value === null || !isInside(series.first + index, place, 1)) return;
      const column = Math.round(this.#x(series.first + index, place) * ratio);
      const known = columns.get(column);
      if (!known) columns.set(column, [value, value]);
      else if (value < known[0]) known[0] = value;
      else if (value > known[1]) known[1] = value;
    });
    const step = Math.max(1, (place.width * ratio) / Math.max(1, place.to - place.from));
    context.beginPath();
    context.strokeStyle = context.fillStyle = colour;
    if (floor !== null) {
      context.globalAlpha = 0.75;
      let end = -Infinity;
      for (const [column, [, greatest]] of columns) {
        const start = Math.round(column - step / 2);
        const from = Math.abs(end - start) <= 2 ? end : start; // no seam between neighbours
        end = Math.round(column + step / 2);
        const y = toY(greatest);
        if (greatest) context.fillRect(from / ratio, y, (end - from) / ratio, floor - y);
      }
      context.globalAlpha = 1;
      return;
    }
    context.lineWidth = 1.25;
    let before = null;
    for (const [column, [least, greatest]] of columns) {
      const x = column / ratio;
      if (before !== null && column - before <= 1.5 * step + 1) context.lineTo(x, toY(least));
      else context.moveTo(x, toY(least));
      if (greatest !== least) context.lineTo(x, toY(greatest));
      before = column;
    }
    context.stroke();
  }

  #drawNow(context, place) {
    const { page, data } = this;
    const x = this.#x(page.frame, place);
    const bottom = TOP + this.#ids().length * BLOCK - 8;
    context.strokeStyle = "#fff";
    context.lineWidth = 1.5;
    if (isInside(page.frame, place)) stroke(context, [[x, 0], [x, bottom]]);
    context.textBaseline = "middle";
    this.#ids().forEach((id, index) => {
      const top = TOP + index * BLOCK;
      const series = data.objects[id];
      context.fillStyle = page.clip.colours[id];
      context.beginPath();
      context.arc(15, top + STRIP / 2, 5, 0, 2 * Math.PI);
      context.fill();
      context.fillStyle = "#e4e7ec";
      context.font = "12px system-ui, sans-serif";
      context.textAlign = "left";
      const name = page.store.document.objects[id] || `Object ${id}`;
      context.fillText(shortened(context, name, 84), 27, top + STRIP / 2);
      STRIPS.forEach((strip, row) => {
        const y = top + row * (STRIP + GAP) + STRIP / 2;
        const value = series[strip.name][page.frame - series.first];
        context.font = "11px system-ui, sans-serif";
        context.fillStyle = "#8a919e";
        context.textAlign = "left";
        context.fillText(strip.label, 116, y);
        context.textAlign = "right";
        context.fillStyle = "#c3c9d3";
        context.fillText(value === undefined || value === null ? "–" : shown(strip.name, value), place.left - 10, y);
      });
    });
  }
}

function isInside(frame, { from, to }, margin = 0) {
  return from - margin <= frame && frame <= to + margin;
}

// Where an object is absent because somebody said so.
function hatching(context) {
  const side = 6;
  const tile = new OffscreenCanvas(side, side);
  const on = tile.getContext("2d");
  on.strokeStyle = "rgb(255 255 255 / 30%)";
  stroke(on, [[0, side], [side, 0]]);
  return context.createPattern(tile, "repeat");
}

function shown(name, value) {
  if (name === "area") return value.toLocaleString("en");
  return value.toFixed(name === "iou" ? 2 : 1);
}

function shortened(context, text, most) {
  if (context.measureText(text).width <= most) return text;
  let kept = text;
  while (kept && context.measureText(`${kept}…`).width > most) kept = kept.slice(0, -1);
  return `${kept}…`;
}

function clamp(value, least, most) {
  return Math.min(most, Math.max(least, value));
}

function stroke(context, points) {
  context.beginPath();
  points.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.stroke();
}
