// The In and Out points on the frame slider: what is played, tracked and corrected.

import { send } from "./api.js";

const byId = (id) => document.getElementById(id);
const NAMES = { first: "In", last: "Out" };

export class InOut {
  first = null; // null where it is the clip's own end
  last = null;
  #dragged = null;

  // page: {clip, count, frame, player, say(text, isBad), take(status), fixing, updateHint()}
  constructor(page) {
    this.page = page;
    for (const name of ["first", "last"]) this.#connect(name, byId(`point-${name}`));
  }

  get from() {
    return Math.min(this.first ?? 0, this.page.count - 1);
  }

  get to() {
    return Math.min(this.last ?? this.page.count - 1, this.page.count - 1);
  }

  get isSet() {
    return this.first !== null || this.last !== null;
  }

  // points: from the server's status.
  take({ first, last }) {
    if (this.#dragged) return;
    Object.assign(this, { first, last });
    this.update();
  }

  // Why nothing can be drawn on this frame, "" where it can. Prompts that are only saved may lie
  // anywhere.
  refusal(frame) {
    if (this.page.clip.mode === "pick" || (this.from <= frame && frame <= this.to)) return "";
    const [point, key] = frame < this.from ? ["In", "I"] : ["Out", "O"];
    return `Outside In and Out, frames ${this.from} to ${this.to}: ${key} moves the ${point} point here`;
  }

  // Put a point on the frame shown; where it is there already, take it away.
  async mark(name) {
    const { frame } = this.page;
    await this.#move(name, this[name] === frame ? null : frame);
    const words = this[name] === null ? `${NAMES[name]} cleared` : `${NAMES[name]} at frame ${frame}`;
    this.page.say(`${words} · plays frames ${this.from} to ${this.to}`);
  }

  update() {
    const { count } = this.page;
    const share = (frame) => `${(100 * frame) / Math.max(1, count - 1)}%`;
    for (const [name, frame] of [["first", this.from], ["last", this.to]]) {
      const handle = byId(`point-${name}`);
      handle.style.left = share(frame);
      handle.classList.toggle("set", this[name] !== null);
      handle.setAttribute("aria-valuenow", frame);
      handle.setAttribute("aria-valuemax", count - 1);
    }
    byId("points").hidden = count < 2;
    byId("before-in").hidden = this.first === null;
    byId("after-out").hidden = this.last === null;
    byId("before-in").style.width = `calc(${share(this.from)} + 8px)`;
    byId("after-out").style.left = share(this.to);
  }

  // The other point gives way to one that is put beyond it.
  #with(name, frame) {
    const { first, last } = { first: this.first, last: this.last, [name]: frame };
    const isCrossed = first !== null && last !== null && first > last;
    return { first: isCrossed && name === "last" ? null : first, last: isCrossed && name === "first" ? null : last };
  }

  async #move(name, frame) {
    Object.assign(this, this.#with(name, frame));
    this.update();
    try {
      const { first, last } = this;
      this.page.take(await send("PUT", "/api/in-out", { first, last }));
    } catch (error) {
      this.page.say(error.message, true);
    }
    this.page.updateHint();
  }

  #connect(name, handle) {
    const slider = byId("slider");
    const end = () => (name === "first" ? 0 : this.page.count - 1);
    const at = (event) => {
      const { left, width } = slider.getBoundingClientRect();
      const share = (event.clientX - left - 8) / (width - 16); // the knob stays inside
      return Math.min(this.page.count - 1, Math.max(0, Math.round(share * (this.page.count - 1))));
    };
    const kept = (frame) => (frame === end() ? null : frame);
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      this.#dragged = name;
    });
    handle.addEventListener("pointermove", (event) => {
      if (this.#dragged !== name) return;
      Object.assign(this, this.#with(name, kept(at(event))));
      this.update();
      this.page.go(this[name] ?? end());
    });
    const drop = () => {
      if (this.#dragged !== name) return;
      this.#dragged = null;
      this.#move(name, this[name]);
    };
    handle.addEventListener("pointerup", drop);
    handle.addEventListener("pointercancel", drop);
    handle.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1 }[event.key];
      if (!step && event.key !== "Delete") return;
      event.preventDefault();
      event.stopPropagation();
      const now = name === "first" ? this.from : this.to;
      const next = Math.min(this.page.count - 1, Math.max(0, now + (event.shiftKey ? 10 : 1) * step));
      this.#move(name, step ? kept(next) : null);
    });
  }
}
