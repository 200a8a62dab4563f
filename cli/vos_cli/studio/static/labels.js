// Masks as object ids, a byte a pixel, and as pictures in the objects' colours.

import { picture } from "./api.js";

// The mask at a path, null where the server has none: {map: {ids, width, height}, about}.
export async function labels(path) {
  const found = await picture(path);
  if (!found) return null;
  const { bitmap, about } = found;
  const { width, height } = bitmap;
  const map = { ids: firstChannel(bitmap), width, height };
  bitmap.close();
  return { map, about };
}

// A black and white PNG in base64, as bytes that are not 0 where it is white.
export async function maskOf(base64) {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }), { colorSpaceConversion: "none" });
  return firstChannel(bitmap);
}

// The pixels of one object as a black and white PNG in base64.
export async function pngOf({ ids, width, height }, object) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let at = 0; at < ids.length; at += 1) pixels[at] = ids[at] === object ? 0xffffffff : 0xff000000;
  context.putImageData(image, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/png" });
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text);
}

let reader = null; // a context of the size that was read last

function firstChannel(bitmap) {
  if (reader?.canvas.width !== bitmap.width || reader.canvas.height !== bitmap.height) {
    reader = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d", { willReadFrequently: true });
  }
  const context = reader;
  context.globalCompositeOperation = "copy";
  context.drawImage(bitmap, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, bitmap.width, bitmap.height).data.buffer);
  const first = new Uint8Array(pixels.length);
  for (let at = 0; at < pixels.length; at += 1) first[at] = pixels[at];
  return first;
}

// A mask in colours, made again only where something changed.
export class Tint {
  canvas = document.createElement("canvas");
  changes = 0; // of its pixels so far
  box = null; // {left, top, right, bottom} of all that has a colour, null where nothing has
  #context = this.canvas.getContext("2d");
  #map = null;
  #table = null;
  #image = null; // of the whole map, as making one takes time

  // table: a colour by object id, 0 for none; another object where it changed. Returns this, or null
  // without a map.
  of(map, table) {
    if (!map) return null;
    if (map !== this.#map || table !== this.#table) {
      this.#map = map;
      this.#table = table;
      if (this.canvas.width !== map.width || this.canvas.height !== map.height) {
        Object.assign(this.canvas, { width: map.width, height: map.height });
      }
      this.box = null;
      this.#colour(table, 0, 0, map.width, map.height);
    }
    return this;
  }

  // What of a map that is being painted has changed.
  patch(map, table, { left, top, right, bottom }) {
    if (map === this.#map && right > left && bottom > top) this.#colour(table, left, top, right - left, bottom - top);
  }

  #colour(table, left, top, width, height) {
    this.changes += 1;
    const { ids, width: stride } = this.#map;
    const image = this.#imageOf(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    let to = 0;
    let [first, last, high, low] = [left + width, -1, top + height, -1];
    for (let y = top; y < top + height; y += 1) {
      let from = y * stride + left;
      for (let x = left; x < left + width; x += 1) {
        const colour = table[ids[from++]];
        pixels[to++] = colour;
        if (!colour) continue;
        if (x < first) first = x;
        if (x > last) last = x;
        if (y < high) high = y;
        low = y;
      }
    }
    if (last >= 0) this.#widen(first, high, last + 1, low + 1);
    this.#context.putImageData(image, left, top);
  }

  #widen(left, top, right, bottom) {
    const box = this.box ?? { left, top, right, bottom };
    this.box = {
      left: Math.min(box.left, left), top: Math.min(box.top, top),
      right: Math.max(box.right, right), bottom: Math.max(box.bottom, bottom),
    };
  }

  #imageOf(width, height) {
    const { width: whole, height: high } = this.#map;
    if (width !== whole || height !== high) return this.#context.createImageData(width, height);
    if (this.#image?.width !== whole || this.#image.height !== high) {
      this.#image = this.#context.createImageData(whole, high);
    }
    return this.#image;
  }
}

// A colour as `Tint` takes it. css: "#rrggbb".
export function packed(css) {
  const rgb = Number.parseInt(css.slice(1), 16);
  return (0xff000000 | ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
}
