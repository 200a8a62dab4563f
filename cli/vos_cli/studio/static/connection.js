// Whether the command answers. It is asked again and again; nothing here takes it for dead.

import { Lost } from "./api.js";

const BUSY_MS = 300;
const IDLE_MS = 1500;
const MOST_MS = 3000; // between two tries while it does not answer
const REST_MS = 1000; // after it has healed: what fails again by then waits for the next look

const LOST = "Connection lost, retrying … What you draw is kept here until it is back.";
const ENDED = " If the command has ended, start it again: what was drawn before is kept.";

export class Connection {
  #notice = document.getElementById("lost");
  #failures = 0;
  #healed = -REST_MS;
  #wake = () => {};
  #waiting = [];

  // ask(): resolves when the server has answered. healed(): it answers again.
  constructor({ ask, healed, isBusy, isOver }) {
    Object.assign(this, { ask, healed, isBusy, isOver });
    window.addEventListener("online", () => this.#wake());
  }

  get isLost() {
    return this.#failures > 0;
  }

  // Resolves once it answers again: to be called after a request that has failed.
  back() {
    this.#failed();
    if (performance.now() - this.#healed > REST_MS) this.#wake();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async watch() {
    while (!this.isOver()) {
      const pause = this.isBusy() ? BUSY_MS : IDLE_MS;
      await this.#sleep(this.isLost ? Math.min(MOST_MS, BUSY_MS * this.#failures) : pause);
      try {
        await this.ask();
        this.#answered();
      } catch (error) {
        if (error instanceof Lost) this.#failed();
        else this.#show(error.message); // another command may be there by now
      }
    }
    this.#notice.hidden = true;
  }

  #answered() {
    this.#notice.hidden = true;
    if (!this.isLost) return;
    this.#failures = 0;
    this.#healed = performance.now();
    for (const resolve of this.#waiting.splice(0)) resolve();
    this.healed();
  }

  #failed() {
    if (this.isOver()) return;
    this.#failures += 1;
    if (this.#failures > 1) this.#show(this.#failures > 8 ? LOST + ENDED : LOST);
  }

  #show(text) {
    if (this.#notice.textContent !== text) this.#notice.textContent = text;
    this.#notice.hidden = this.isOver();
  }

  #sleep(milliseconds) {
    return new Promise((wake) => {
      this.#wake = wake;
      setTimeout(wake, milliseconds);
    });
  }
}
