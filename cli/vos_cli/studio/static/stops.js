// The order in which suspicious spans are gone through.

// The span after where one is, or before it; undefined where there is none. Spans of other objects
// that begin on the same frame come one after the other; those of one object are one stop.
export function stopAfter(spans, { frame, object }, way) {
  const stops = spans
    .toSorted((one, other) => one.first - other.first || one.object_id - other.object_id)
    .filter((one, index, all) => !index || !isSame(one, all[index - 1]));
  const isBeyond = (one) => way * (one.first - frame || one.object_id - object) > 0;
  const isOnStop = stops.some((one) => one.first === frame && one.object_id === object);
  const elsewhere = (one) => (way > 0 ? one.first >= frame : one.first < frame);
  const left = stops.filter(isOnStop ? isBeyond : elsewhere);
  return way > 0 ? left[0] : left.at(-1);
}

function isSame(one, other) {
  return one.first === other.first && one.object_id === other.object_id;
}
