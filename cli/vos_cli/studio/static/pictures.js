// Frames and masks from the server, the latest kept.

import { picture } from "./api.js";
import { labels } from "./labels.js";

const BYTES = 256 * 2 ** 20;

export class Pictures {
  #kept = new Map();

  constructor(width, height) {
    this.room = Math.max(6, Math.floor(BYTES / (width * height * 4)));
  }

  // The picture at a path, or the mask; null where the server has none. Rejects as `picture` does.
  get(path) {
    let promise = this.#kept.get(path);
    if (!promise) {
      promise = path.startsWith("/api/frames/") ? picture(path) : labels(path);
      promise.catch(() => this.#kept.delete(path));
    }
    this.#kept.delete(path);
    this.#kept.set(path, promise);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.room) break;
      this.#kept.delete(oldest);
    }
    return promise;
  }

  // Ask for a picture that will be wanted soon.
  expect(path) {
    this.get(path).catch(() => {});
  }

  forget(path) {
    this.#kept.delete(path);
  }
}
