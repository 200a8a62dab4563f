// What is there when the page opens, and what may be lost when it closes: asked, never decided.

import { send } from "./api.js";
import { ask, unask } from "./ask.js";

export class Offers {
  #asked = null;

  // page: {take(status), say(text, isBad)}
  constructor(page) {
    this.page = page;
  }

  // status: the server's.
  async show({ offer, run }) {
    if (!offer) {
      if (this.#asked) unask(); // answered in another tab
      this.#asked = null;
      return;
    }
    if (this.#asked) return;
    const turn = (this.#asked = {});
    const { drawn, result } = offer;
    const choices = [
      ...(drawn ? [["drawn", "Go on"]] : []),
      ...(result ? [["result", "Open the result"]] : []),
      ["new", drawn ? "Start afresh, forget it" : "Track anew"],
    ];
    const parts = [
      drawn && `${counted(drawn.prompts, "prompt")} on ${counted(drawn.frames, "frame")}, drawn ${time(drawn.when)}, ${drawn.prompts === 1 ? "is" : "are"} in no finished result or file yet.`,
      run?.state === "stopped" && run.newest !== null && `A track was stopped after frame ${run.newest}; its masks are there.`,
      result && `There is a result in ${result}.`,
    ];
    const title = drawn ? "Go on where you were?" : "There is a result already";
    const choice = await ask(title, parts.filter(Boolean).join("\n"), choices);
    if (this.#asked !== turn) return;
    this.#asked = null;
    if (choice === null) return; // with Escape: it is asked again
    try {
      this.page.take(await send("POST", "/api/offer", { take: choice }));
    } catch (error) {
      this.page.say(error.message, true);
    }
  }
}

// Whether the page may close: null to stay, else {drop}.
export async function askToClose({ is_drawing_unused: isUnused }, prompts, isFix) {
  if (!isUnused) return { drop: false };
  const drawn = `${counted(prompts, "prompt")} drawn here ${prompts === 1 ? "is" : "are"} not part of the result.`;
  const what = isFix ? drawn : "The prompts have changed since they were tracked.";
  const choice = await ask("Close without using what you drew?", what, [
    ["stay", isFix ? "Stay, to fix" : "Stay, to track"],
    ["keep", "Close, go on next time"],
    ["drop", "Close and forget it"],
  ]);
  return choice === null || choice === "stay" ? null : { drop: choice === "drop" };
}

function counted(count, what) {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function time(when) {
  const date = new Date(when);
  const isToday = date.toDateString() === new Date().toDateString();
  const clock = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return isToday ? `today at ${clock}` : `on ${date.toLocaleDateString()} at ${clock}`;
}
