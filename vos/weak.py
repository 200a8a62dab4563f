"""Where the model itself holds a mask for bad, however it was before. Pure; no mask is read.

`vos.suspicious` compares an object with itself, so that a mask that is bad from the first frame on
is never suspicious. Here the predicted IoU alone decides: under one half the model expects more of
mask and object to lie apart than together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from vos.io.write.stats_file import ObjectSeries
from vos.suspicious import JOIN_GAP, Suspicion

LEAST_IOU = 0.5


def find_weak_spans(
    objects: Mapping[int, ObjectSeries],
    *,
    prompted: Mapping[int, Collection[int]] | None = None,
) -> list[Suspicion]:
    """Find the spans whose masks the model holds for bad, in ascending order of frames.

    The amount of each is the least predicted IoU.

    prompted: frames with a prompt that shows the object, per object id; they are as somebody wants
        them, and never weak.
    """
    found: list[Suspicion] = []
    for object_id, series in objects.items():
        known = list((prompted or {}).get(object_id, ()))
        with np.errstate(invalid="ignore"):  # NaN where the model says nothing
            is_weak = (series.iou_pred < LEAST_IOU) & (series.area_px > 0)
        is_weak &= ~np.isin(series.frame_idx, known)
        frames, scores = series.frame_idx[is_weak], series.iou_pred[is_weak]
        if not frames.size:
            continue
        breaks = np.flatnonzero(np.diff(frames) > JOIN_GAP) + 1
        for some, values in zip(np.split(frames, breaks), np.split(scores, breaks), strict=True):
            worst = int(np.argmin(values))
            found.append(
                Suspicion(
                    object_id,
                    "low score",
                    int(some[0]),
                    int(some[-1]),
                    int(some[worst]),
                    float(values[worst]),
                )
            )
    return sorted(found, key=lambda one: (one.first, one.object_id))
