// Drawing with the keyboard: a crosshair that is moved with the arrows and pressed with Space, as the
// mouse is. What it presses goes the way of the mouse, so that every tool knows it.

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FAR = 10; // with Shift
const DRAGGED = ["box", "scribble", "brush", "rub", "change"]; // tools that are pressed at one place and let go at another

export class Crosshair {
  #mark = document.getElementById("crosshair");
  #spot = null; // in pixels of the frame; null where it is off
  #isDown = false;

  // page: {view, tool, say(text)}
  constructor(canvas, page) {
    this.canvas = canvas;
    this.page = page;
    window.addEventListener("keydown", (event) => this.#press(event), { capture: true });
  }

  toggle() {
    const { width, height } = this.page.view;
    this.#spot = this.#spot ? null : [Math.floor(width / 2), Math.floor(height / 2)];
    this.#isDown = false;
    if (this.#spot) this.page.say("Arrows move, with Shift faster · Space presses and lets go · C leaves");
    this.#place();
  }

  #press(event) {
    if (!this.#spot || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
    requestAnimationFrame(() => this.#place()); // the frame may be zoomed by then
    if (event.target !== this.canvas && event.target !== document.body) return;
    if (event.key in MOVES) this.#move(MOVES[event.key], event.shiftKey);
    else if (event.key === " ") this.#push(event.shiftKey);
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  #move([dx, dy], isFar) {
    const { view } = this.page;
    const step = Math.max(1, Math.round(2 / view.scale)) * (isFar ? FAR : 1);
    const inside = (value, most) => Math.min(most, Math.max(0, value));
    this.#spot = [inside(this.#spot[0] + dx * step, view.width), inside(this.#spot[1] + dy * step, view.height)];
    this.#place();
    this.#send("pointermove");
  }

  #push(shiftKey) {
    if (!this.#isDown) this.#send("pointerdown", shiftKey);
    const isDragged = DRAGGED.includes(this.page.tool);
    if (this.#isDown || !isDragged) this.#send("pointerup", shiftKey);
    this.#isDown = isDragged && !this.#isDown;
    this.#place();
  }

  #send(kind, shiftKey = false) {
    const { left, top } = this.canvas.getBoundingClientRect();
    const [x, y] = this.#onStage();
    const at = { clientX: left + x, clientY: top + y, bubbles: true, pointerId: -1, shiftKey };
    this.canvas.dispatchEvent(new PointerEvent(kind, { ...at, button: 0, isPrimary: true }));
  }

  // In the pixel, and nearest to its upper left corner: for boxes that is the corner meant.
  #onStage() {
    return this.page.view.toStage(this.#spot.map((value) => value + 0.25));
  }

  #place() {
    this.#mark.hidden = this.#spot === null;
    if (!this.#spot) return;
    const [x, y] = this.#onStage();
    Object.assign(this.#mark.style, { left: `${x}px`, top: `${y}px` });
    this.#mark.classList.toggle("down", this.#isDown);
  }
}
