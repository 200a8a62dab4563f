// The models and refiners on this machine, and how to begin again with another.

import { get } from "./api.js";
import { copy } from "./copying.js";

const byId = (id) => document.getElementById(id);

export class Models {
  #here = null;

  // page: {say(text, isBad)}
  constructor(page) {
    byId("model").addEventListener("click", async () => {
      try {
        this.#show(await get("/api/models"));
      } catch (error) {
        page.say(error.message, true);
      }
    });
    for (const name of ["model", "refiner"]) byId(`models-${name}`).addEventListener("input", () => this.#chosen());
    byId("models-copy").addEventListener("click", () => copy(byId("models-command").textContent, (text) => (byId("models-said").textContent = text)));
  }

  #show(here) {
    this.#here = here;
    byId("models-note").textContent = here.note ?? "";
    byId("models-note").hidden = !here.note;
    const models = here.models.map(({ name, purpose }) => new Option(`${name} (${purpose})${name === here.model ? ", in use" : ""}`, name));
    byId("models-model").replaceChildren(...models);
    if (here.model) byId("models-model").value = here.model;
    byId("models-said").textContent = "";
    this.#fillRefiners();
    byId("models").showModal();
    this.#chosen();
  }

  // Those of the chosen model: a refiner fits no other.
  #fillRefiners() {
    const { refiners, refiner, model } = this.#here;
    const chosen = byId("models-model").value;
    const own = refiners.filter((one) => one.model === chosen).map((one) => one.name);
    const isUsed = chosen === model;
    const options = ["none", ...own].map((name) => new Option(isUsed && name === refiner ? `${name}, in use` : name, name));
    byId("models-refiner").replaceChildren(...options);
    const first = isUsed && refiner ? refiner : (own[0] ?? "none");
    byId("models-refiner").value = [...byId("models-refiner").options].some((one) => one.value === first) ? first : "none";
    byId("models-refiner").dataset.of = chosen;
  }

  #chosen() {
    const { model, refiner, command, pull } = this.#here;
    if (byId("models-refiner").dataset.of !== byId("models-model").value) this.#fillRefiners();
    const [newModel, newRefiner] = [byId("models-model").value, byId("models-refiner").value];
    const isSame = newModel === model && newRefiner === refiner;
    byId("models-how").textContent = isSame
      ? (pull ? "For work, get a model first:" : "In use. Choose another to see how to begin with it.")
      : "The page keeps the model it was started with. Close it and start again with this; what is drawn is offered again:";
    const other = `${command} --model ${quoted(newModel)} --refiner ${quoted(newRefiner)}`;
    byId("models-command").textContent = isSame ? (pull ?? "") : other;
    byId("models-command").parentElement.hidden = isSame && !pull;
  }
}

function quoted(name) {
  return /^[\w.+-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
}
