// Where objects are said not to be. Documents in, documents out, as in edits.js.

const isOf = (prompt, object) => prompt.object_id === object;

// The last frame of an absence; one without end lasts until the object's next prompt.
function lastOf(document, prompt) {
  const { last_idx: last, frame_idx: first, object_id: object } = prompt;
  if (last !== "end") return last ?? first;
  const later = document.prompts.filter((one) => one.type !== "absent" && isOf(one, object) && one.frame_idx > first);
  return Math.min(...later.map((one) => one.frame_idx - 1), Infinity);
}

export function isAbsent(document, object, frame) {
  return document.prompts.some(
    (one) => one.type === "absent" && isOf(one, object) && one.frame_idx <= frame && frame <= lastOf(document, one),
  );
}

// Whether an object is said not to be on the frame shown, here or in the result.
export function isGone({ store, frame, fixing }, object) {
  if (isAbsent(store.document, object, frame)) return true;
  if (store.document.prompts.some((one) => isOf(one, object) && one.frame_idx === frame)) return false;
  return (fixing?.data.absent?.[object] ?? []).some(([first, last]) => first <= frame && frame <= last);
}

// The objects that are not there on a frame.
export function absentOn(document, frame) {
  if (!document.prompts.some((one) => one.type === "absent")) return [];
  return Object.keys(document.objects).map(Number).filter((object) => isAbsent(document, object, frame));
}

// last: the last frame, or "end". What showed the object there goes.
export function withAbsence(document, object, first, last) {
  const until = last === "end" ? first : last;
  const kept = document.prompts.filter((one) => {
    if (!isOf(one, object)) return true;
    return one.frame_idx < first || one.frame_idx > until;
  });
  const prompt = { type: "absent", object_id: object, frame_idx: first };
  if (last !== first) prompt.last_idx = last;
  return { ...document, prompts: [...kept, prompt] };
}

// The document once something shows the object on this frame: an absence ends before it.
export function endedBefore(document, object, frame) {
  if (!isAbsent(document, object, frame)) return document;
  const prompts = document.prompts.flatMap((one) => {
    if (one.type !== "absent" || !isOf(one, object) || one.frame_idx > frame || lastOf(document, one) < frame) return [one];
    if (one.frame_idx === frame) return [];
    const { last_idx: _gone, ...rest } = one;
    return [one.frame_idx === frame - 1 ? rest : { ...rest, last_idx: frame - 1 }];
  });
  return { ...document, prompts };
}

// The document without what says that the object is not on this frame.
export function withoutAbsence(document, object, frame) {
  const prompts = document.prompts.filter(
    (one) => one.type !== "absent" || !isOf(one, object) || one.frame_idx > frame || lastOf(document, one) < frame,
  );
  return { ...document, prompts };
}

// "Not here", and where; for the list of prompts.
export function absenceWords({ frame_idx: first, last_idx: last }) {
  if (last === "end") return `${first} on`;
  return last === undefined || last === first ? `${first}` : `${first}–${last}`;
}
