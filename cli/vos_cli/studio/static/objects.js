// What a row of the object list has beside its name: a thumbnail, eye, solo, lock and colour.

import { isGone } from "./absences.js";
import { element } from "./rows.js";

const SIDE = 34; // CSS pixels
const MARGIN = 0.12; // of the object's size, around it

const KEPT = "vos thumbnails";
const SVG = "http://www.w3.org/2000/svg";

export class Objects {
  #thumbs = new Map();

  // page: {looks, object, store, screen, clip, frame, panel}
  constructor(page) {
    this.page = page;
    this.#restore();
  }

  // A page that is opened again, or has turned into one that corrects, has them from the first.
  async #restore() {
    const { path, thumbs } = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
    if (path !== location.pathname) return; // another clip's
    for (const [id, { area, frame, url }] of Object.entries(thumbs)) {
      const bytes = Uint8Array.from(atob(url.split(",")[1]), (char) => char.charCodeAt(0));
      const image = await createImageBitmap(new Blob([bytes]));
      if (this.#thumbs.has(Number(id))) continue; // it was seen meanwhile
      const canvas = element("canvas", { width: image.width, height: image.height });
      canvas.getContext("2d").drawImage(image, 0, 0);
      Object.assign(canvas.dataset, { area, frame });
      this.#thumbs.set(Number(id), canvas);
    }
    this.page.panel?.update();
  }

  #keep() {
    const thumbs = Object.fromEntries([...this.#thumbs].map(([id, canvas]) => [id, { ...canvas.dataset, url: canvas.toDataURL("image/jpeg") }]));
    sessionStorage.setItem(KEPT, JSON.stringify({ path: location.pathname, thumbs }));
  }

  decorate(row, id) {
    const { looks } = this.page;
    row.querySelector(".pick").append(element("span", { className: "thumb" }));
    const buttons = element("div", { className: "looks" });
    const colour = element("input", { type: "color", className: "colour", ariaLabel: `Colour of object ${id}`, title: "Colour" });
    colour.addEventListener("input", () => looks.paint(id, colour.value));
    buttons.append(
      tool("eye", () => looks.toggleEye(id)),
      tool("solo", () => looks.toggleSolo(id)),
      tool("lock", () => looks.toggle("locked", id)),
      colour,
      element("span", { className: "absent" }),
    );
    row.append(buttons);
  }

  fill(row, id) {
    const { page } = this;
    const { looks } = page;
    const name = `object ${id}`;
    press(row, "eye", !looks.isShown(id), looks.isShown(id) ? `Hide ${name}` : `Show ${name}`);
    press(row, "solo", looks.solo === id, looks.solo === id ? "Show the others too" : `Show only ${name}`);
    press(row, "lock", looks.isLocked(id), looks.isLocked(id) ? `Unlock ${name}` : `Lock ${name}: its prompts and pixels stay`);
    row.classList.toggle("unseen", !looks.isShown(id));
    const colour = row.querySelector(".colour");
    if (colour.value !== looks.colours[id]) colour.value = looks.colours[id];
    row.querySelector(".absent").textContent = isGone(page, id) ? "not here" : "";
    const thumb = row.querySelector(".thumb");
    thumb.style.borderColor = looks.colours[id];
    const picture = this.#thumbs.get(id);
    if (picture && thumb.firstChild !== picture) thumb.replaceChildren(picture);
  }

  // Whoever gets the number of one that was removed is another.
  forgetOthers(ids) {
    for (const id of this.#thumbs.keys()) if (!ids.includes(id)) this.#thumbs.delete(id);
  }

  // A frame was looked at: objects on it get their thumbnails. map: of its masks.
  seen(map, image) {
    let isNew = false;
    for (const [id, box] of boxes(map)) {
      if (this.page.store.document.objects[id] === undefined) continue;
      const known = this.#thumbs.get(id);
      // The largest view of an object is the most telling one; a mask that was corrected is a better one.
      const area = (box.right - box.left) * (box.bottom - box.top);
      const isSame = Number(known?.dataset.frame) === this.page.frame;
      if (known && (isSame ? Number(known.dataset.area) === area : Number(known.dataset.area) >= area)) continue;
      const canvas = known ?? document.createElement("canvas");
      draw(canvas, box, image, image.width / map.width);
      Object.assign(canvas.dataset, { area, frame: this.page.frame });
      this.#thumbs.set(id, canvas);
      isNew = true;
    }
    if (isNew) this.#keep();
  }
}

function tool(name, action) {
  const button = element("button", { className: `quiet look ${name}` });
  const svg = document.createElementNS(SVG, "svg");
  svg.append(document.createElementNS(SVG, "use"));
  button.append(svg);
  button.addEventListener("click", (event) => {
    event.stopPropagation();
    action();
  });
  button.addEventListener("pointerdown", (event) => event.stopPropagation());
  return button;
}

function press(row, name, isPressed, label) {
  const button = row.querySelector(`.${name}`);
  button.ariaPressed = String(isPressed);
  Object.assign(button, { ariaLabel: label, title: label });
  const icon = name === "eye" && isPressed ? "eye-off" : name === "lock" && !isPressed ? "unlock" : name;
  const [use, href] = [button.querySelector("use"), `static/tools.svg#${icon}`];
  if (use.getAttribute("href") !== href) use.setAttribute("href", href); // it would be drawn anew
}

// The box around each object's pixels, by its id.
function boxes({ ids, width, height }) {
  const found = new Map();
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 1) {
      const id = ids[at];
      if (!id) continue;
      const box = found.get(id);
      if (!box) found.set(id, { left: x, top: y, right: x + 1, bottom: y + 1 });
      else {
        if (x < box.left) box.left = x;
        if (x >= box.right) box.right = x + 1;
        box.bottom = y + 1;
      }
    }
  }
  return found;
}

function draw(canvas, { left, top, right, bottom }, image, scale) {
  const side = Math.max(right - left, bottom - top) * (1 + 2 * MARGIN);
  const ratio = window.devicePixelRatio;
  canvas.width = canvas.height = Math.round(SIDE * ratio);
  const [x, y] = [(left + right - side) / 2, (top + bottom - side) / 2];
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image, x * scale, y * scale, side * scale, side * scale, 0, 0, canvas.width, canvas.height);
}
