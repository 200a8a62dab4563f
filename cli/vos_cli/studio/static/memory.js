// Previews of objects on frames that nobody has tracked: from the memory of their prompted frames
// alone, which they have to look like.

import { isAbsent } from "./absences.js";
import { promptsOn } from "./edits.js";
import { Tint } from "./labels.js";

const OPEN = ["none", "stopped", "failed"]; // runs that leave frames without masks
const byId = (id) => document.getElementById(id);

export class Memory {
  #tint = new Tint();
  #failed = null; // the path of one that could not be had
  #isAsking = false;

  // page: {clip, store, run, fixing, inOut, isModelReady, isOver, player, looks, frame}
  constructor(page) {
    this.page = page;
  }

  // Where the preview of a frame on which nothing is drawn comes from, null where there is none.
  path(frame) {
    const { store, run, fixing, inOut, clip, isModelReady, isOver, player } = this.page;
    const isOpen = !fixing && !clip.is_backward && (!run || OPEN.includes(run.state)) && !inOut.refusal(frame);
    if (!isOpen || !isModelReady || isOver || player.isPlaying) return null;
    const isKnown = store.document.prompts.some(
      (one) => one.type !== "absent" && one.frame_idx < frame && !isAbsent(store.document, one.object_id, frame),
    );
    return isKnown || promptsOn(store.document, frame).length ? maskPath(this.page, frame) : null;
  }

  // Get the preview of a frame that is looked at; null where there is none, or another one is on its
  // way: a slow model is not given frames that were left meanwhile.
  async ask(frame, get) {
    const path = this.path(frame);
    if (!path || path === this.#failed || this.#isAsking) return null;
    this.#isAsking = true;
    try {
      return await get(path);
    } catch {
      this.#failed = path; // whoever draws on this frame is told why
      return null;
    } finally {
      this.#isAsking = false;
    }
  }

  // The objects of a mask that are only previews, in their colours; null where there are none.
  // gone: objects that are not there.
  tint(map, about, gone) {
    const { looks, store } = this.page;
    const guessed = about.from_prompts ?? [];
    if (!map || !guessed.length) return null;
    const others = Object.keys(store.document.objects).map(Number).filter((id) => !guessed.includes(id));
    return this.#tint.of(map, looks.table([...others, ...gone]));
  }

  // Say what is seen. map: the mask, null where there is none.
  describe(map, about) {
    const { store, player } = this.page;
    const guessed = map && !player.isPlaying ? (about.from_prompts ?? []) : [];
    const unseen = guessed.filter((id) => !map.ids.includes(id));
    const names = unseen.map((id) => store.document.objects[id] || `Object ${id}`).join(", ");
    const text = [
      "Preview from the prompted frames; tracking will follow the object frame by frame",
      names && `not found on this frame: ${names}`,
    ].filter(Boolean).join(" · ");
    byId("preview").hidden = !guessed.length;
    if (byId("preview").textContent !== text) byId("preview").textContent = text;
  }
}

// Where the masks come from that what is drawn gives on a frame.
export function maskPath({ store, run }, frame) {
  return `/api/masks/${frame}.png?v=${store.version}&run=${run?.id}${run?.state}`;
}
