// The document: shown at once, kept by the server, shared with other tabs.

import { Lost, get, send } from "./api.js";

const STALE = 409;

export class Store extends EventTarget {
  document = { prompts: [], objects: { 1: "" } };
  version = -1;
  canUndo = false;
  canRedo = false;
  #kept = this.document;
  #changes = []; // shown already, not yet kept
  #pending = 0;
  #last = Promise.resolve();

  // back(): resolves once the server answers again.
  constructor(back) {
    super();
    this.back = back;
  }

  // Whether something that is shown has not reached the server.
  get isPending() {
    return this.#changes.length > 0;
  }

  load() {
    return this.#queue(() => get("/api/document"));
  }

  // change: a document in, a document out. It is made again should the server's be another by then,
  // after an undo under way or an edit in another tab, so that neither is lost.
  edit(change) {
    this.#changes.push(change);
    this.#show("drawn");
    const isThere = (now) => isSame(now, change(this.#kept));
    return this.#queue(() => this.#put(change), { change, isThere });
  }

  undo() {
    return this.#step("/api/undo");
  }

  redo() {
    return this.#step("/api/redo");
  }

  // Everything so far has reached the server.
  settled() {
    return this.#last;
  }

  // Another tab may have changed the document.
  follow(version) {
    if (!this.#pending && version !== this.version) this.load();
  }

  #step(path) {
    const request = () => send("POST", path, { version: this.version });
    return this.#queue(request, { isThere: (now) => now.version !== this.version });
  }

  #queue(request, { change = null, isThere = () => false } = {}) {
    this.#pending += 1;
    this.#last = this.#last.then(async () => {
      try {
        const answer = await this.#insist(request, isThere);
        this.#changes = this.#changes.filter((one) => one !== change);
        this.#keep(answer);
      } catch (error) {
        this.#changes = this.#changes.filter((one) => one !== change);
        this.dispatchEvent(new CustomEvent("refused", { detail: error.message }));
        this.#keep(await this.#insist(() => get("/api/document")));
      } finally {
        this.#pending -= 1;
      }
    });
    return this.#last;
  }

  // Ask until there is an answer. isThere(document): whether the server's shows that the request
  // has arrived, and only its answer was lost.
  async #insist(request, isThere = () => false) {
    let isLost = false;
    for (;;) {
      try {
        if (isLost) {
          const now = await get("/api/document");
          if (isThere(now)) return now;
        }
        return await request();
      } catch (error) {
        if (!(error instanceof Lost)) throw error;
        isLost = true;
        await this.back();
      }
    }
  }

  async #put(change) {
    const put = () =>
      send("PUT", "/api/document", { version: this.version, ...change(this.#kept) });
    try {
      return await put();
    } catch (error) {
      if (error.status !== STALE) throw error;
      this.#keep(await get("/api/document"));
      return put();
    }
  }

  #keep({ version, can_undo: canUndo, can_redo: canRedo, prompts, objects }) {
    Object.assign(this, { version, canUndo, canRedo });
    this.#kept = { prompts, objects };
    this.#show("kept");
  }

  #show(kind) {
    this.document = this.#changes.reduce((document, change) => change(document), this.#kept);
    this.dispatchEvent(new CustomEvent("change", { detail: kind }));
  }
}

// Whether two documents say the same, whatever the order of their keys.
function isSame(one, other) {
  return text(one) === text(other);
}

function text({ prompts, objects }) {
  const sorted = (_key, value) =>
    value && typeof value === "object" && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return JSON.stringify([prompts, objects], sorted);
}
