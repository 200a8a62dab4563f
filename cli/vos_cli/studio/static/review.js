// The review queue: what is to be looked at, the worst first, and what was found right.

import { send } from "./api.js";
import { arrange, element } from "./rows.js";
import { KINDS } from "./timeline.js";

const byId = (id) => document.getElementById(id);
const MOST_ROWS = 100;
const AGAIN_MS = 2000; // frames that are not read yet have no picture
const AROUND_S = 1; // before and after what is looped around

export class Review {
  #list = byId("review");

  // page: {store, clip, run, frame, object, choose(object), go(frame), say(text, isBad), player, count}
  // fixing: {data, load()}
  constructor(page, fixing) {
    this.page = page;
    this.fixing = fixing;
    byId("review-section").hidden = false;
    byId("review-fine").addEventListener("click", () => this.fine());
    byId("review-loop").addEventListener("click", () => this.loopAround());
  }

  // What is still to be looked at.
  get open() {
    return this.fixing.data.incidents.filter((one) => !one.is_fine);
  }

  // What one is looking at: the chosen object's before others', what is open before what is fine.
  get here() {
    const { frame, object } = this.page;
    return this.fixing.data.incidents
      .filter((one) => one.first <= frame && frame <= one.last)
      .toSorted((one, other) => (other.object_id === object) - (one.object_id === object) || one.is_fine - other.is_fine)
      .at(0);
  }

  // "This is fine", or back; and on to the next one.
  async fine() {
    const { page, here } = this;
    if (!here) {
      page.say("Nothing suspicious on this frame");
      return;
    }
    await this.mark(here, !here.is_fine);
  }

  async mark({ key }, isFine) {
    const { page, fixing } = this;
    try {
      await send("POST", "/api/review", { key, is_fine: isFine });
      await fixing.load();
    } catch (error) {
      page.say(error.message, true);
      return;
    }
    page.say(isFine ? `Fine; ${this.#left()}` : "To be looked at again");
  }

  // Play again and again around what was corrected last, or what one is looking at.
  loopAround() {
    const { page, fixing, here } = this;
    const edit = fixing.data.history.filter((entry) => entry.is_in_force).at(-1);
    const spans = here ? [here] : (edit?.spans ?? []);
    if (page.player.isAround || !spans.length) {
      page.player.stop();
      if (!spans.length) page.say("Nothing suspicious here, and nothing corrected yet");
      return;
    }
    const reach = Math.round(AROUND_S * page.clip.rate);
    const first = Math.min(...spans.map((one) => one.first)) - reach;
    const last = Math.max(...spans.map((one) => one.last)) + reach;
    page.player.around(Math.max(0, first), Math.min(page.count - 1, last));
    page.say(`Again and again: frames ${Math.max(0, first)} to ${Math.min(page.count - 1, last)}. Space stops`);
  }

  update() {
    const { incidents } = this.fixing.data;
    const sorted = [...this.open, ...incidents.filter((one) => one.is_fine)].slice(0, MOST_ROWS);
    const known = new Map(sorted.map((one) => [one.key, one]));
    arrange(
      this.#list, sorted.length ? [...known.keys()] : ["none"],
      (key) => (key === "none" ? element("li", { className: "empty", textContent: "Nothing suspicious" }) : this.#make()),
      (row, key) => key !== "none" && this.#fill(row, known.get(key)),
    );
    byId("review-count").textContent = incidents.length ? this.#left() : "";
    const { here } = this;
    byId("review-fine").disabled = !here;
    byId("review-fine").ariaPressed = String(here?.is_fine ?? false);
  }

  #left() {
    const { length } = this.open;
    return length ? `${length} left` : "none left";
  }

  #make() {
    const { page } = this;
    const row = element("li", {});
    const go = element("button", { className: "quiet pick spring" });
    const image = element("img", { alt: "", loading: "lazy" });
    image.addEventListener("load", () => image.classList.add("there"));
    image.addEventListener("error", () => {
      const path = image.getAttribute("src");
      const isWanted = () => image.isConnected && !page.isOver && image.getAttribute("src") === path;
      setTimeout(() => isWanted() && image.setAttribute("src", path), AGAIN_MS);
    });
    const words = element("span", { className: "words" });
    words.append(element("span", { className: "who" }), element("span", { className: "what" }));
    go.append(image, words);
    go.addEventListener("click", () => {
      page.choose(row.incident.object_id);
      page.go(row.incident.worst);
    });
    const fine = element("button", { className: "quiet small fine" });
    fine.addEventListener("click", () => this.mark(row.incident, !row.incident.is_fine));
    row.append(go, fine);
    return row;
  }

  #fill(row, incident) {
    const { page } = this;
    row.incident = incident;
    const { object_id: id, first, last, worst, kinds, is_fine: isFine } = incident;
    const name = page.store.document.objects[id] || `Object ${id}`;
    const frames = first === last ? `${first}` : `${first}–${last}`;
    const what = kinds.map((kind) => KINDS[kind].text).join(", ");
    row.classList.toggle("isfine", isFine);
    row.classList.toggle("here", this.here === incident);
    const path = `api/review/${worst}/${id}.jpg?run=${page.run?.id}&s=${page.clip.session}`;
    const image = row.querySelector("img");
    if (image.getAttribute("src") !== path) image.setAttribute("src", path);
    image.style.borderColor = page.clip.colours[id];
    row.querySelector(".who").textContent = name;
    row.querySelector(".what").textContent = `${frames} · ${what}`;
    row.querySelector(".pick").title = `${what}\nGo to frame ${worst}, the worst of it`;
    const fine = row.querySelector(".fine");
    fine.textContent = isFine ? "✓" : "Fine";
    fine.ariaPressed = String(isFine);
    fine.ariaLabel = isFine ? `Look at this again: ${name}, ${frames}` : `Fine: ${name}, ${frames}`;
    fine.title = isFine ? "Look at this again" : "Nothing is wrong there (K)";
  }
}
