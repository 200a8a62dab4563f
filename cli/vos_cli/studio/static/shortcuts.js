// What each key does: [keys, words for the list, action].

import { withoutPromptsAt } from "./edits.js";

export function shortcuts(page) {
  const canvas = document.getElementById("canvas");
  const tool = (name) => () => page.useTool(name);
  const by = (frames) => () => page.go(page.frame + frames);
  const zoom = (factor) => () => {
    page.view.zoom(factor, canvas.clientWidth / 2, canvas.clientHeight / 2);
    page.redraw();
  };
  const isPick = page.clip.mode === "pick";
  const erase = () => {
    if (page.tools.dropVertex()) return;
    const { store, object, frame, looks } = page;
    if (looks.isLocked(object)) page.say("This object is locked: unlock it in the list of objects");
    else store.edit((document) => withoutPromptsAt(document, object, frame));
  };
  return [
    [["b"], "Box", tool("box")],
    [["p"], "Click on the object", tool("point")],
    [["n"], "Click that is not the object", tool("neg")],
    [["g"], "Polygon", tool("polygon")],
    [["s"], "Scribble", tool("scribble")],
    [["d"], "Brush: paint the mask", tool("brush")],
    [["r"], "Rub out of the mask", tool("rub")],
    [["["], "Smaller brush", () => page.tools.brush.resize(-1)],
    [["]"], "Larger brush", () => page.tools.brush.resize(1)],
    [["t"], "Take hold of what is drawn", tool("change")],
    [["e"], "Erase a prompt", tool("erase")],
    [["x"], "Not here", () => page.notHere.open()],
    [["h"], "Pan", tool("pan")],
    ...(page.fixing
      ? [
          [["."], "Next to look at", () => page.fixing.step(1)],
          [[","], "To look at before this", () => page.fixing.step(-1)],
          [["k"], "Fine: nothing is wrong here", () => page.fixing.review.fine()],
          [["w"], "Play around this again and again", () => page.fixing.review.loopAround()],
          [[">"], "Timeline closer", () => page.fixing.timeline.zoom(2)],
          [["<"], "Timeline wider", () => page.fixing.timeline.zoom(0.5)],
        ]
      : []),
    [["a"], "New object", () => page.panel.addObject()],
    [["1", "2", "3", "4", "5", "6", "7", "8", "9"], "Object 1 to 9", (key) => page.choose(Number(key))],
    [["c"], "Crosshair: draw with the keyboard", () => page.crosshair.toggle()],
    [["Delete", "Backspace"], "Remove the object's prompts here", erase],
    [["Enter"], "Close the polygon", () => page.tools.closePolygon()],
    [["Escape"], "Give up what is being drawn", () => page.tools.cancel()],
    [["Ctrl+z"], "Undo", () => page.undo()],
    [["Ctrl+Shift+z", "Ctrl+y"], "Redo", () => page.redo()],
    [[" "], "Play, pause", () => page.player.toggle()],
    [["ArrowLeft"], "Frame before", by(-1)],
    [["ArrowRight"], "Next frame", by(1)],
    [["Shift+ArrowLeft"], "Ten frames back", by(-10)],
    [["Shift+ArrowRight"], "Ten frames on", by(10)],
    [["i"], "In point here; again: none", () => page.inOut.mark("first")],
    [["o"], "Out point here; again: none", () => page.inOut.mark("last")],
    [["j"], "Sound on, off", () => page.sound.toggle()],
    [["l"], "Loop", () => page.player.loop()],
    [["Home"], "First frame", () => page.go(0)],
    [["End"], "Last frame", () => page.go(page.count - 1)],
    [["f"], "Fit the frame", () => page.fit()],
    [["+", "="], "Zoom in", zoom(1.25)],
    [["-"], "Zoom out", zoom(0.8)],
    [["m"], "Mask on, off", () => page.looks.change({ isMaskShown: !page.looks.isMaskShown })],
    [["y"], "Timecode, seconds", () => page.player.switchTime()],
    [["v"], "Next view", () => page.views.next()],
    [["Ctrl+Enter"], isPick ? "Save and close" : page.fixing ? "Fix" : "Track", () => document.getElementById("go").click()],
    ...(isPick ? [] : [[["Ctrl+e"], "Export", () => document.getElementById("export").click()]]),
    ...(isPick ? [[["Ctrl+s"], "Save", () => page.save(false)]] : []),
    [["?"], "This list", () => document.getElementById("keys").showModal()],
  ];
}
