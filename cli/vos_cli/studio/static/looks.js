// How the clip is shown: objects' colours, which are hidden, alone or locked, the view, the opacity,
// and how loud it is. It is of this tab, and there again after a reload.

import { packed } from "./labels.js";
import { VIEWS } from "./views.js";

const KEPT = "vos looks";

export class Looks extends EventTarget {
  opacity = 0.45;
  isMaskShown = true;
  view = "overlay";
  time = "seconds"; // or "timecode"
  theme = null; // as set in the file
  brush = 12; // radius in frame pixels
  isMuted = false;
  volume = 1;
  solo = null; // the only object that is shown
  hidden = [];
  locked = [];
  painted = {}; // colours that were chosen, by object id
  #tables = new Map();

  // colours: CSS colours by object id, which follow what is chosen.
  constructor(colours) {
    super();
    this.colours = colours;
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
    for (const name of Object.keys(this.#values())) this[name] = kept[name] ?? this[name];
    if (!VIEWS.some(({ name }) => name === this.view)) this.view = "overlay";
    for (const [id, colour] of Object.entries(this.painted)) colours[id] = colour;
  }

  change(values) {
    Object.assign(this, values);
    this.#tables.clear();
    sessionStorage.setItem(KEPT, JSON.stringify(this.#values()));
    this.dispatchEvent(new Event("change"));
  }

  isShown(object) {
    return this.solo === null ? !this.hidden.includes(object) : this.solo === object;
  }

  isLocked(object) {
    return this.locked.includes(object);
  }

  toggle(list, object) {
    const without = this[list].filter((one) => one !== object);
    this.change({ [list]: without.length < this[list].length ? without : [...without, object] });
  }

  // To show one that is hidden by another's being alone ends that.
  toggleEye(object) {
    if (this.solo === null) this.toggle("hidden", object);
    else this.change({ solo: null, hidden: this.hidden.filter((one) => one !== object) });
  }

  toggleSolo(object) {
    this.change({ solo: this.solo === object ? null : object });
  }

  paint(object, colour) {
    this.colours[object] = colour;
    this.change({ painted: { ...this.painted, [object]: colour } });
  }

  // Colours for `Tint`, the same table as long as nothing changes. gone: objects that are not there.
  // single: a colour for all that are shown.
  table(gone = [], single = null) {
    const key = `${gone.join()} ${single}`;
    if (!this.#tables.has(key)) {
      const table = new Uint32Array(256);
      for (let id = 1; id < 256; id += 1) {
        if (this.isShown(id) && !gone.includes(id)) table[id] = single ?? packed(this.colours[id]);
      }
      this.#tables.set(key, table);
    }
    return this.#tables.get(key);
  }

  #values() {
    const { opacity, isMaskShown, view, time, theme, brush, isMuted, volume, solo, hidden, locked, painted } = this;
    return { opacity, isMaskShown, view, time, theme, brush, isMuted, volume, solo, hidden, locked, painted };
  }
}
