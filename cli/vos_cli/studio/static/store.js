// The document: shown at once, kept by the server, shared with other tabs.

import { Refused, get, send } from "./api.js";

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

  load() {
    return this.#queue(() => get("/api/document"));
  }

  // change: a document in, a document out. It is made again should the server's be another by then,
  // after an undo under way or an edit in another tab, so that neither is lost.
  edit(change) {
    this.#changes.push(change);
    this.#show("drawn");
    return this.#queue(() => this.#put(change), change);
  }

  undo() {
    return this.#queue(() => send("POST", "/api/undo", { version: this.version }));
  }

  redo() {
    return this.#queue(() => send("POST", "/api/redo", { version: this.version }));
  }

  // Everything so far has reached the server.
  settled() {
    return this.#last;
  }

  // Another tab may have changed the document.
  follow(version) {
    if (!this.#pending && version !== this.version) this.load();
  }

  #queue(request, change = null) {
    this.#pending += 1;
    this.#last = this.#last.then(async () => {
      try {
        const answer = await request();
        this.#changes = this.#changes.filter((one) => one !== change);
        this.#keep(answer);
      } catch (error) {
        this.#changes = this.#changes.filter((one) => one !== change);
        if (!(error instanceof Refused)) return;
        this.dispatchEvent(new CustomEvent("refused", { detail: error.message }));
        this.#keep(await get("/api/document"));
      } finally {
        this.#pending -= 1;
      }
    });
    return this.#last;
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
