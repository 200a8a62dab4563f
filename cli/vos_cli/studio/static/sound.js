// The clip's sound: fetched in parts, and heard from any place on while the frames play.

import { Refused, bytes, get } from "./api.js";

const byId = (id) => document.getElementById(id);
const READY_S = 6; // fetched before it is heard
const PARTS = 8; // kept
const BEGIN_S = 0.05; // until the first sample
const PATIENCE_MS = 600; // then the frames play, and it joins them
const BLOCKED_MS = 4000; // a browser without a way to be heard says nothing itself
const LARGEST = 32768;

export class Sound {
  #about = null; // {rate, channels, part_s, times, is_complete}
  #problem = ""; // why there will be none
  #context = null;
  #gain = null;
  #parts = new Map();
  #nodes = new Set();
  #zero = null; // the context's time when the clip's is 0, null while nothing is heard
  #from = 0;
  #turn = 0;
  #wasMuted = false;
  #isWaiting = false;

  // page: {clip, looks, player, say(text, isBad)}
  constructor(page) {
    this.page = page;
    const { clip, looks } = page;
    byId("mute").hidden = byId("volume").hidden = !clip.has_sound;
    byId("mute").addEventListener("click", () => this.toggle());
    byId("volume").addEventListener("input", (event) => {
      looks.change({ volume: event.target.value / 100, isMuted: false });
    });
    looks.addEventListener("change", () => this.#update());
    this.#update();
  }

  toggle() {
    const { clip, looks } = this.page;
    if (!clip.has_sound || this.#problem) this.page.say(this.#problem || "This clip has no sound");
    else looks.change({ isMuted: !looks.isMuted });
  }

  // Whether it could join the frames, which play without: it has come, or was switched on, meanwhile.
  get isWaiting() {
    return this.#isWaiting && this.#isWanted && this.#zero === null;
  }

  get #isWanted() {
    const { clip, looks } = this.page;
    return clip.has_sound && !this.#problem && !looks.isMuted;
  }

  // The second of the clip that is heard now, null where nothing is.
  get time() {
    if (this.#zero === null) return null;
    const { currentTime, outputLatency } = this.#context;
    return currentTime - (outputLatency || 0) - this.#zero;
  }

  // The second of the clip at which a frame begins.
  timeOf(frame) {
    const { rate } = this.page.clip;
    const times = this.#about?.times;
    if (!times?.length) return frame / rate;
    return frame < times.length ? times[frame] : times.at(-1) + (frame - times.length + 1) / rate;
  }

  // Be heard from this frame to the end of another one. Resolves once it is, or has not come soon.
  async start(frame, last) {
    this.#silence();
    if (!this.#isWanted) return;
    const turn = this.#turn;
    let isLate = false;
    const here = this.#prepare(frame).then(
      () => {
        if (turn !== this.#turn) return;
        if (isLate) this.#isWaiting = true;
        else this.#begin(frame, last);
      },
      (error) => {
        if (turn === this.#turn) this.fail(error.message, error instanceof Refused);
      },
    );
    await Promise.race([here, new Promise((wake) => setTimeout(wake, PATIENCE_MS))]);
    isLate = true;
  }

  stop() {
    this.#silence();
    this.#context?.suspend();
  }

  // Go on without it, this time or for good, and say why.
  fail(why, isForGood = false) {
    this.stop();
    if (isForGood) this.#problem = why;
    this.#update();
    this.page.say(`${why}. The frames play without sound.`, true);
  }

  #silence() {
    this.#turn += 1;
    this.#isWaiting = false;
    this.#zero = null;
    for (const node of this.#nodes) node.stop();
    this.#nodes.clear();
  }

  async #prepare(frame) {
    if (!this.#about?.is_complete) this.#about = await get("/api/sound");
    if (!this.#context) {
      this.#context = contextOf(this.#about.rate);
      this.#gain = this.#context.createGain();
      this.#gain.connect(this.#context.destination);
      this.#update();
    }
    await Promise.race([this.#context.resume(), blocked()]);
    await this.#part(this.#partAt(this.timeOf(frame)));
  }

  #begin(frame, last) {
    this.#from = this.timeOf(frame);
    this.#zero = this.#context.currentTime + BEGIN_S - this.#from;
    this.#feed(this.#partAt(this.#from), this.timeOf(last + 1), this.#turn);
  }

  #partAt(seconds) {
    return Math.floor(seconds / this.#about.part_s);
  }

  // Have the next part ready before the one before it ends.
  async #feed(first, end, turn) {
    const { part_s: length } = this.#about;
    try {
      for (let index = first; index * length < end; index += 1) {
        const part = await this.#part(index);
        if (turn !== this.#turn) return;
        this.#play(part, index * length, end);
        const rest = (index + 1) * length - READY_S - this.time;
        if (rest > 0) await new Promise((wake) => setTimeout(wake, 1000 * rest));
        if (turn !== this.#turn) return;
      }
    } catch (error) {
      if (turn === this.#turn) this.fail(error.message, error instanceof Refused);
    }
  }

  // at: the second of the clip where the part begins. What has come too late begins in its middle.
  #play(part, at, end) {
    const begin = Math.max(this.#zero + at, this.#zero + this.#from, this.#context.currentTime);
    const skipped = begin - this.#zero - at;
    const left = Math.min(part.duration, end - at) - skipped;
    if (left <= 0) return;
    const node = this.#context.createBufferSource();
    node.buffer = part;
    node.connect(this.#gain);
    node.addEventListener("ended", () => this.#nodes.delete(node));
    node.start(begin, skipped, left);
    this.#nodes.add(node);
  }

  #part(index) {
    let part = this.#parts.get(index);
    if (!part) {
      part = bytes(`/api/sound/${index}.pcm?s=${this.page.clip.session}`).then((data) => this.#decoded(data));
      part.catch(() => this.#parts.delete(index));
    }
    this.#parts.delete(index);
    this.#parts.set(index, part);
    for (const oldest of this.#parts.keys()) {
      if (this.#parts.size <= PARTS) break;
      this.#parts.delete(oldest);
    }
    return part;
  }

  #decoded(data) {
    const { rate, channels } = this.#about;
    const samples = new Int16Array(data);
    const part = this.#context.createBuffer(channels, samples.length / channels, rate);
    for (let channel = 0; channel < channels; channel += 1) {
      const to = part.getChannelData(channel);
      for (let at = 0; at < to.length; at += 1) to[at] = samples[at * channels + channel] / LARGEST;
    }
    return part;
  }

  #update() {
    const { looks, player } = this.page;
    const isSilent = looks.isMuted || this.#problem !== "";
    if (player?.isPlaying && this.#wasMuted && !isSilent) this.#isWaiting = true;
    this.#wasMuted = isSilent;
    if (this.#gain) this.#gain.gain.value = isSilent ? 0 : looks.volume;
    const button = byId("mute");
    button.ariaPressed = String(isSilent);
    button.title = this.#problem || "Sound on, off (J)";
    button.disabled = byId("volume").disabled = this.#problem !== "";
    const [use, href] = [button.querySelector("use"), `static/tools.svg#${isSilent ? "muted" : "sound"}`];
    if (use.getAttribute("href") !== href) use.setAttribute("href", href);
    byId("volume").value = Math.round(100 * looks.volume);
  }
}

function contextOf(sampleRate) {
  try {
    return new AudioContext({ sampleRate });
  } catch {
    throw new Error("This browser cannot play sound");
  }
}

async function blocked() {
  await new Promise((wake) => setTimeout(wake, BLOCKED_MS));
  throw new Error("This browser does not let the page be heard");
}
