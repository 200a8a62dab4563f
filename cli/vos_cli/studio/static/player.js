// Frame by frame: slider, number field, playback.

import { Pace } from "./pace.js";
import { timecode } from "./timecode.js";

const AHEAD = 8;
const MOST_LEFT_OUT = 5;
const MOST_LEAD_MS = 250;

export class Player {
  isPlaying = false;
  isLooping = false;
  #around = null; // [first, last], played again and again
  #turn = 0; // of playing, which a stop ends
  #slider = document.getElementById("slider");
  #number = document.getElementById("frame-number");
  #marks = document.getElementById("marks");
  #play = document.getElementById("play");

  // page: {clip, looks, store, screen, sound, frame, count, inOut, go(frame), show(frame), redraw()}; show
  // waits for the picture.
  constructor(page) {
    this.page = page;
    this.pace = new Pace(page.sound);
    this.#slider.addEventListener("input", () => page.go(Number(this.#slider.value)));
    this.#number.addEventListener("change", () => page.go(Number(this.#number.value)));
    this.#number.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#number.value = page.frame; // as it was
      if (["Enter", "Escape"].includes(event.key)) this.#number.blur(); // so that keys are shortcuts again
    });
    document.getElementById("previous").addEventListener("click", () => page.go(page.frame - 1));
    document.getElementById("next").addEventListener("click", () => page.go(page.frame + 1));
    this.#play.addEventListener("click", () => this.toggle());
    document.getElementById("loop").addEventListener("click", () => this.loop());
    document.getElementById("time").addEventListener("click", () => this.switchTime());
  }

  loop() {
    this.isLooping = !this.isLooping;
    document.getElementById("loop").ariaPressed = String(this.isLooping);
  }

  get isAround() {
    return this.#around !== null;
  }

  // Play these frames again and again, until it is stopped.
  around(first, last) {
    this.stop();
    this.#around = [first, last];
    this.#run();
  }

  toggle() {
    if (this.isPlaying) this.stop();
    else this.#run();
  }

  stop() {
    this.#around = null;
    if (!this.isPlaying) return;
    this.isPlaying = false;
    this.#turn += 1;
    this.page.sound.stop();
    this.#show();
    this.page.redraw();
  }

  async #run() {
    const { page, pace } = this;
    const turn = (this.#turn += 1);
    const isOn = () => turn === this.#turn;
    this.isPlaying = true;
    this.#show();
    const around = this.#around;
    const [from, to] = around ?? [page.inOut.from, page.inOut.to];
    const isInside = () => from <= page.frame && page.frame < to;
    if (!isInside()) await page.show(from);
    if (isOn()) await pace.start(page.frame, to);
    let [step, lead] = [1, 0];
    while (isOn() && isInside()) {
      if (page.sound.isWaiting) await pace.start(page.frame, to);
      const { frame } = page;
      const next = pace.next(Math.min(frame + step, to), to);
      for (let ahead = 0; ahead <= AHEAD; ahead += 1) page.screen.expect(next + ahead * step);
      await pace.until(next, lead, isOn);
      if (!isOn() || page.frame !== frame) break; // somebody went elsewhere
      const begun = performance.now();
      await page.show(next);
      if (!isOn() || page.frame !== next) break;
      const [took, room] = [performance.now() - begun, (1000 * step) / page.clip.rate];
      lead = Math.min(MOST_LEAD_MS, (3 * lead + took) / 4);
      // A machine that is too slow for every frame shows fewer, at the right speed.
      if (took > room) step = Math.min(step + 1, MOST_LEFT_OUT);
      else if (took < room / 2) step = Math.max(step - 1, 1);
      if (next < to) continue;
      await pace.until(to + 1, 0, isOn);
      if (!(this.isLooping || around) || !isOn()) break;
      await page.show(from);
      if (isOn()) await pace.start(from, to);
    }
    if (isOn()) this.stop();
  }

  update() {
    const { page } = this;
    const last = Math.max(0, page.count - 1);
    this.#slider.max = this.#number.max = last;
    this.#slider.value = page.frame;
    if (document.activeElement !== this.#number) this.#number.value = page.frame;
    document.getElementById("time").textContent = this.#time(last);
    page.inOut.update();
    const frames = new Set(page.store.document.prompts.map((prompt) => prompt.frame_idx));
    this.#marks.replaceChildren(
      ...[...frames].map((frame) => {
        const mark = document.createElement("i");
        mark.style.left = `${(100 * frame) / Math.max(1, last)}%`;
        return mark;
      }),
    );
  }

  // The source's timecode where it has one, else from zero.
  switchTime() {
    const { looks } = this.page;
    looks.change({ time: looks.time === "timecode" ? "seconds" : "timecode" });
    this.update();
  }

  #time(last) {
    const { clip, frame, looks } = this.page;
    if (looks.time === "timecode" && clip.timecode) {
      return `${timecode(frame, clip.timecode)} / ${timecode(last, clip.timecode)}`;
    }
    const seconds = (one) => (one / clip.rate).toFixed(2);
    return `${seconds(frame)} / ${seconds(last)} s`;
  }

  #show() {
    const icon = this.isPlaying ? "pause" : "play";
    this.#play.querySelector("use").setAttribute("href", `static/tools.svg#${icon}`);
    this.#play.ariaLabel = this.isPlaying ? "Pause" : "Play";
  }
}
