// The document: shown at once, kept by the server, shared with other tabs.

import { Refused, get, send } from "./api.js";

export class Store extends EventTarget {
  document = { prompts: [], objects: { 1: "" } };
  version = -1;
  canUndo = false;
  canRedo = false;
  #pending = 0;
  #last = Promise.resolve();

  load() {
    return this.#queue(() => get("/api/document"));
  }

  edit(document) {
    this.document = document;
    this.#changed("drawn");
    return this.#queue(() => send("PUT", "/api/document", { version: this.version, ...document }));
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

  #queue(request) {
    this.#pending += 1;
    this.#last = this.#last.then(async () => {
      try {
        this.#take(await request());
      } catch (error) {
        if (!(error instanceof Refused)) return;
        this.dispatchEvent(new CustomEvent("refused", { detail: error.message }));
        this.#take(await get("/api/document"));
      } finally {
        this.#pending -= 1;
      }
    });
    return this.#last;
  }

  #take(answer) {
    this.version = answer.version;
    this.canUndo = answer.can_undo;
    this.canRedo = answer.can_redo;
    // A newer edit is on its way and on the screen already.
    if (this.#pending <= 1) {
      this.document = { prompts: answer.prompts, objects: answer.objects };
    }
    this.#changed("kept");
  }

  #changed(kind) {
    this.dispatchEvent(new CustomEvent("change", { detail: kind }));
  }
}
