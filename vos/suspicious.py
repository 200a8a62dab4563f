"""Where a track is likely to be wrong, from its statistics alone. Pure; no mask is read.

Each rule compares an object with itself, so that neither size nor model decides:

* score drop: the predicted IoU is under the median of the 24 frames before on which the object was
  visible, by 0.1 at least and by 4 times their usual deviation from that median (median absolute
  deviation, scaled to a standard deviation).
* area jump: the area differs from the median of the 5 visible frames before by a factor of 1.4 at
  least, and by 6 times the usual change from one frame to the next (median over the 24 frames
  before).
* lost: no pixel, after a frame that had some; the span ends where the object is back. Where
  somebody said that the object is absent, it is not lost until it is seen again.
* after cut: the object has pixels on the first frame after a scene cut.

Neighbouring frames that break one rule make one span. A frame on which somebody showed the object
is as they want it: it breaks no rule, and none is judged by the frames before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from vos.io.write.stats_file import ObjectSeries

Kind = Literal["score drop", "area jump", "lost", "after cut", "low score"]

LONG_MEMORY, SHORT_MEMORY = 24, 5
LEAST_MEMORY = 3
LEAST_SCORE_DROP, SCORE_DEVIATIONS = 0.1, 4.0
LEAST_AREA_RATIO, AREA_CHANGES = 1.4, 6.0
_MAD_TO_SIGMA = 1.4826
JOIN_GAP = 5


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A span of frames to look at.

    object_id: the object that the track is of.
    kind: the rule that is broken.
    first: index of the first frame.
    last: index of the last frame, inclusive.
    worst: index of the frame that breaks the rule most.
    amount: by how much it does: how far the predicted IoU is under its median, the factor of the
        area (under 1 where it shrank), for a lost object or a cut the number of frames, for a low
        score (`vos.weak`) the predicted IoU itself.
    """

    object_id: int
    kind: Kind
    first: int
    last: int
    worst: int
    amount: float

    def as_json(self) -> dict[str, Any]:
        return {
            "object_id": self.object_id,
            "kind": self.kind,
            "first": self.first,
            "last": self.last,
            "worst": self.worst,
            "amount": round(self.amount, 3),
        }


def find_suspicious_spans(
    objects: Mapping[int, ObjectSeries],
    *,
    prompted: Mapping[int, Collection[int]] | None = None,
    cuts: Collection[int] = (),
    is_absent: Callable[[int, int], bool] = lambda _object_id, _frame_idx: False,
) -> list[Suspicion]:
    """Find the spans to look at, in ascending order of frames.

    prompted: frames with a prompt that shows the object, per object id.
    cuts: indices of the first frames after scene cuts.
    is_absent: tells whether somebody said that an object is absent on a frame.
    """
    found: list[Suspicion] = []
    for object_id, series in objects.items():
        known = set((prompted or {}).get(object_id, ()))
        drops, jumps = _measure(series, known)
        found += _join(object_id, "score drop", drops, JOIN_GAP, max)
        found += _join(object_id, "area jump", jumps, JOIN_GAP, _largest_factor)
        found += _find_lost(object_id, series, is_absent)
        found += _find_after_cuts(object_id, series, known, cuts)
    return sorted(found, key=lambda one: (one.first, one.object_id, one.kind))


def _measure(
    series: ObjectSeries, prompted: Collection[int]
) -> tuple[dict[int, float], dict[int, float]]:
    """Find the frames that break the rule of scores and of areas, with how much."""
    drops: dict[int, float] = {}
    jumps: dict[int, float] = {}
    scores: list[float] = []
    areas: list[float] = []
    columns = zip(
        series.frame_idx.tolist(), series.area_px.tolist(), series.iou_pred.tolist(), strict=True
    )
    for frame_idx, area, score in columns:
        if frame_idx in prompted:
            scores, areas = [], []
        if not area:
            continue
        if len(scores) >= LEAST_MEMORY and (drop := _score_drop(scores, score)) is not None:
            drops[frame_idx] = drop
        if len(areas) >= LEAST_MEMORY and (factor := _area_factor(areas, area)) is not None:
            jumps[frame_idx] = factor
        if not np.isnan(score) and frame_idx not in prompted:  # a prompted mask's score is no norm
            scores = [*scores, score][-LONG_MEMORY:]
        areas = [*areas, area][-LONG_MEMORY:]
    return drops, jumps


def _score_drop(before: list[float], score: float) -> float | None:
    usual = float(np.median(before))
    sigma = _MAD_TO_SIGMA * float(np.median(np.abs(np.array(before) - usual)))
    drop = usual - score
    return drop if drop >= max(LEAST_SCORE_DROP, SCORE_DEVIATIONS * sigma) else None


def _area_factor(before: list[float], area: float) -> float | None:
    logs = np.log(before)
    usual_change = float(np.median(np.abs(np.diff(logs))))
    change = float(np.log(area) - np.median(logs[-SHORT_MEMORY:]))
    if abs(change) < max(np.log(LEAST_AREA_RATIO), AREA_CHANGES * usual_change):
        return None
    return float(np.exp(change))


def _largest_factor(frames: list[int], *, key: Any) -> int:
    return max(frames, key=lambda frame_idx: abs(np.log(key(frame_idx))))


def _join(
    object_id: int, kind: Kind, broken: Mapping[int, float], gap: int, worst_of: Any
) -> Iterator[Suspicion]:
    group: list[int] = []
    for frame_idx in [*sorted(broken), None]:
        if group and (frame_idx is None or frame_idx - group[-1] > gap):
            worst = worst_of(group, key=broken.__getitem__)
            yield Suspicion(object_id, kind, group[0], group[-1], worst, broken[worst])
            group = []
        if frame_idx is not None:
            group.append(frame_idx)


def _find_lost(
    object_id: int, series: ObjectSeries, is_absent: Callable[[int, int], bool]
) -> Iterator[Suspicion]:
    first: int | None = None
    was_visible, last = False, -1
    for frame_idx, area in zip(series.frame_idx.tolist(), series.area_px.tolist(), strict=True):
        is_said = is_absent(object_id, frame_idx)
        if (area or is_said) and first is not None:
            yield Suspicion(object_id, "lost", first, last, first, last - first + 1)
            first = None
        if not area and not is_said and was_visible and first is None:
            first = frame_idx
        was_visible = bool(area) or (was_visible and not is_said)
        last = frame_idx
    if first is not None:
        yield Suspicion(object_id, "lost", first, last, first, last - first + 1)


def _find_after_cuts(
    object_id: int, series: ObjectSeries, prompted: Collection[int], cuts: Collection[int]
) -> Iterator[Suspicion]:
    """Yield a span from each cut until the object is gone, prompted, or the next cut."""
    ends = {*cuts, *prompted}
    visible = {
        frame_idx
        for frame_idx, area in zip(series.frame_idx.tolist(), series.area_px.tolist(), strict=True)
        if area
    }
    for cut in sorted(set(cuts) & visible - set(prompted)):
        last = cut
        while last + 1 in visible and last + 1 not in ends:
            last += 1
        yield Suspicion(object_id, "after cut", cut, last, cut, last - cut + 1)
