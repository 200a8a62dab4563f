// Which frames the timeline shows: all of them, or some that were zoomed in on.

const LEAST = 8; // frames

export class Span {
  #from = 0;
  #to = null; // null: the last frame
  #frame = 0; // where one was

  // page: {count, frame}
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

  // factor: above 1 to see more closely. about: the frame that stays where it is.
  zoom(factor, about) {
    const width = Math.max(Math.min(LEAST, this.#last), (this.to - this.from) / factor);
    const share = (about - this.from) / Math.max(1, this.to - this.from);
    this.#set(about - share * width, width);
  }

  move(frames) {
    if (!this.isWhole) this.#set(this.#from + frames, this.#to - this.#from);
  }

  whole() {
    this.#to = null;
  }

  // Who goes to a frame that is not shown finds it shown.
  follow() {
    const { frame } = this.page;
    if (frame === this.#frame) return;
    this.#frame = frame;
    if (this.from <= frame && frame <= this.to) return;
    const width = this.#to - this.#from;
    this.#set(frame - width / 2, width);
  }

  #set(from, width) {
    if (width >= this.#last) {
      this.whole();
      return;
    }
    this.#from = Math.min(this.#last - width, Math.max(0, from));
    this.#to = this.#from + width;
  }
}
