// Which frames the timeline shows: all of them, those between In and Out, or some that were zoomed in on.

const LEAST = 8; // frames

export class Span {
  #from = 0;
  #to = null; // null: the last frame
  #frame = 0; // where one was
  #isFitted = true; // to what there is to be seen, which was this:
  #fitted = "";

  // page: {count, frame, inOut, fixing, status}
  constructor(page) {
    this.page = page;
  }

  get #last() {
    return Math.max(1, this.page.count - 1);
  }

  get from() {
    return this.#to === null ? 0 : this.#from;
  }

  get to() {
    return this.#to ?? this.#last;
  }

  get isWhole() {
    return this.#to === null;
  }

  // What there is to be seen: the result's frames between In and Out.
  get #ends() {
    const { inOut, fixing, status } = this.page;
    if (!status?.frames.is_complete) return [0, this.#last]; // more are still to come
    const [first, last] = fixing.data.frames ?? [0, this.#last];
    const [from, to] = [Math.max(first, inOut.from), Math.min(last, inOut.to)];
    return from < to ? [from, to] : [first, Math.max(last, first + 1)];
  }

  get isNarrower() {
    const [from, to] = this.#ends;
    return from > 0 || to < this.#last;
  }

  // factor: above 1 to see more closely. about: the frame that stays where it is.
  zoom(factor, about) {
    const width = Math.max(Math.min(LEAST, this.#last), (this.to - this.from) / factor);
    const share = (about - this.from) / Math.max(1, this.to - this.from);
    this.#isFitted = false;
    this.#set(about - share * width, width);
  }

  move(frames) {
    if (this.isWhole) return;
    this.#isFitted = false;
    this.#set(this.#from + frames, this.#to - this.#from);
  }

  whole() {
    this.#isFitted = false;
    this.#to = null;
  }

  // Show what there is to be seen, now and when In or Out is moved.
  fit() {
    this.#isFitted = true;
    this.#fitted = "";
    this.update();
  }

  update() {
    const [from, to] = this.#ends;
    if (this.#isFitted && `${from} ${to}` !== this.#fitted) this.#set(from, to - from);
    if (this.#isFitted) this.#fitted = `${from} ${to}`;
    this.#follow();
  }

  // Who goes to a frame that is not shown finds it shown.
  #follow() {
    const { frame } = this.page;
    if (frame === this.#frame) return;
    this.#frame = frame;
    if (this.from <= frame && frame <= this.to) return;
    const width = this.#to - this.#from;
    this.#set(frame - width / 2, width);
  }

  #set(from, width) {
    if (width >= this.#last) {
      this.#to = null;
      return;
    }
    this.#from = Math.min(this.#last - width, Math.max(0, from));
    this.#to = this.#from + width;
  }
}
