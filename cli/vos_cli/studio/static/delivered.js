// Where exports were written to, beside the frame: they are what an editor goes on with.

import { copy } from "./copying.js";
import { arrange, element } from "./rows.js";

const byId = (id) => document.getElementById(id);

export class Delivered {
  // page: {say(text), exporting}
  constructor(page) {
    this.page = page;
  }

  // made: [{output, is_current}], the newest first.
  show(made) {
    const known = new Map(made.map((one) => [one.output, one]));
    byId("delivered-section").hidden = !made.length;
    arrange(byId("delivered"), [...known.keys()], (path) => this.#make(path), (row, path) => {
      row.classList.toggle("old", !known.get(path).is_current);
      row.querySelector(".what").textContent = known.get(path).is_current ? "" : "The masks have changed since: export again";
    });
  }

  #make(path) {
    const row = element("li", { title: path });
    const words = element("span", { className: "words" });
    words.append(element("span", { className: "who", textContent: path.split(/[\\/]/).at(-1) }), element("span", { className: "what" }));
    const button = element("button", { className: "quiet small", textContent: "Copy path", ariaLabel: `Copy the path ${path}` });
    button.addEventListener("click", () => copy(path, (text) => this.page.say(text)));
    row.append(words, button);
    return row;
  }
}
