// The ways a frame and its masks can be looked at, one after the other with V.

// backdrop: what is behind cut-out objects; "matte" shows their masks in white.
export const VIEWS = [
  { name: "overlay", text: "Overlay" },
  { name: "matte", text: "Matte", backdrop: "matte" },
  { name: "checker", text: "Cut-out", backdrop: "checker" },
  { name: "green", text: "On green", backdrop: "#00b140" },
  { name: "black", text: "On black", backdrop: "#000000" },
  { name: "before", text: "Before", isOfFixing: true },
  { name: "onion", text: "Onion skin" },
];
const REACH = 2; // frames on either side of an onion skin

export class Views {
  #choice = document.getElementById("view");

  // page: {looks, fixing, say(text), show(frame), frame, isDrawn}
  constructor(page) {
    this.page = page;
    for (const { name, text } of this.#offered) this.#choice.add(new Option(text, name));
    this.#choice.value = this.now.name;
    this.#choice.addEventListener("change", () => {
      this.choose(this.#choice.value);
      document.getElementById("canvas").focus({ preventScroll: true }); // so that keys are shortcuts again
    });
  }

  get #offered() {
    return VIEWS.filter((one) => this.page.fixing || !one.isOfFixing);
  }

  get now() {
    return this.#offered.find(({ name }) => name === this.page.looks.view) ?? VIEWS[0];
  }

  next() {
    const names = this.#offered.map(({ name }) => name);
    this.choose(names[(names.indexOf(this.now.name) + 1) % names.length]);
  }

  choose(view) {
    const { page } = this;
    page.looks.change({ view });
    this.#choice.value = view;
    page.say(this.#words());
    page.show(page.frame);
  }

  // Frames whose masks are drawn as outlines here.
  get around() {
    if (this.now.name !== "onion") return [];
    return [-REACH, -1, 1, REACH];
  }

  #words() {
    const { name, text } = this.now;
    if (name === "before") return "Before the last correction · V: next view";
    if (name === "onion") return "Onion skin: the masks of the frames before (blue) and after (orange)";
    return `${text} · V: next view`;
  }
}
