// The parts of the export dialog that are made of what there is: objects and edge controls.

import { element } from "./rows.js";

const byId = (id) => document.getElementById(id);

// In the order in which they are applied.
export const EDGES = [
  { name: "despeckle", text: "Despeckle", most: 50, title: "Drop parts of at most this side" },
  { name: "fill_holes", text: "Fill holes", most: 50, title: "Fill holes of at most this side" },
  { name: "grow", text: "Grow", most: 30, title: "Move the edge out" },
  { name: "shrink", text: "Shrink", most: 30, title: "Move the edge in" },
  { name: "smooth", text: "Smooth", most: 30, title: "Round off what is smaller" },
  { name: "temporal", text: "Over frames", most: 5, title: "Median over that many frames before and after, against flicker" },
  { name: "feather", text: "Feather", most: 30, title: "Let the edge fade to either side" },
];
const OPPOSITE = { grow: "shrink", shrink: "grow" };

export function makeEdges(fieldset) {
  for (const { name, text, most, title } of EDGES) {
    const row = element("label", { className: "edge", title });
    const range = element("input", { id: `edge-${name}`, type: "range", min: 0, max: most, step: 1, value: 0 });
    const shown = element("output", {});
    const update = () => (shown.textContent = range.value === "0" ? "off" : range.value);
    range.addEventListener("input", () => {
      // One undoes the other, so that there is only one.
      if (OPPOSITE[name] && range.value !== "0") set(OPPOSITE[name], 0);
      update();
    });
    range.addEventListener("shown", update);
    row.append(element("span", { textContent: text }), range, shown);
    fieldset.append(row);
  }
}

function set(name, value) {
  byId(`edge-${name}`).value = value;
  byId(`edge-${name}`).dispatchEvent(new Event("shown"));
}

export function edges() {
  const values = EDGES.map(({ name }) => {
    byId(`edge-${name}`).dispatchEvent(new Event("shown"));
    return [name, byId(`edge-${name}`).valueAsNumber];
  });
  return Object.fromEntries(values);
}

// objects: [{id, name}]
export function fillObjects(list, objects, colours) {
  const known = new Map([...list.querySelectorAll("input")].map((one) => [Number(one.value), one.checked]));
  list.replaceChildren(...objects.map(({ id, name }) => {
    const row = element("label", {});
    const box = element("input", { type: "checkbox", value: id, checked: known.get(id) ?? true });
    const dot = element("span", { className: "dot" });
    dot.style.background = colours[id];
    row.append(box, dot, name || `Object ${id}`);
    return row;
  }));
}

export function chosenObjects() {
  return [...byId("export-objects").querySelectorAll("input:checked")].map((one) => Number(one.value));
}

export function sizeOf(bytes) {
  const units = ["B", "kB", "MB", "GB"];
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toFixed(unit && value < 10 ? 1 : 0)} ${units[unit]}`;
}
