// When each frame is due while the clip plays: by the sound where it is heard, else by the clock.

const STILL_MS = 1500; // a sound that stands still so long has lost its device
const LATE_S = 0.15; // a frame that is later than this is given up
const NAP_MS = 100;

export class Pace {
  #begun = 0; // the clock's time when the clip's is 0, in milliseconds
  #heard = null; // where the sound was
  #moved = 0; // when it was seen to move

  constructor(sound) {
    this.sound = sound;
  }

  // From now on this frame is on the screen; `last` is the last one that is played.
  async start(frame, last) {
    await this.sound.start(frame, last);
    this.#restart(frame);
  }

  // Resolves when a frame is due. lead: milliseconds that showing it will take. isOn(): whether it is
  // still waited for.
  async until(frame, lead, isOn) {
    for (;;) {
      const rest = 1000 * (this.sound.timeOf(frame) - this.#time()) - lead;
      if (rest <= 0 || !isOn()) return;
      await new Promise((wake) => setTimeout(wake, Math.min(rest, NAP_MS)));
    }
  }

  // The frame to show next where `frame` would be: a later one where the sound is far beyond it. Without
  // sound the rest comes later instead.
  next(frame, last) {
    const time = this.#time();
    if (time - this.sound.timeOf(frame) < LATE_S) return frame;
    if (this.sound.time === null) {
      this.#restart(frame);
      return frame;
    }
    let late = frame;
    while (late < last && this.sound.timeOf(late + 1) <= time) late += 1;
    return late;
  }

  #restart(frame) {
    this.#begun = performance.now() - 1000 * this.sound.timeOf(frame);
    this.#moved = performance.now();
  }

  // The second of the clip that belongs on the screen.
  #time() {
    const now = performance.now();
    const heard = this.sound.time;
    if (heard === null) return (now - this.#begun) / 1000;
    this.#begun = now - 1000 * heard; // the clock goes on from here should the sound end
    if (heard !== this.#heard) [this.#heard, this.#moved] = [heard, now];
    else if (now - this.#moved > STILL_MS) this.sound.fail("The sound stands still");
    return heard;
  }
}
