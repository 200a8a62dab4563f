"""The mattes of a result as they are delivered: soft where they are stored, with edges as asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from vos.io.write.deliver.edges import Edges, feather, shape, temporal_median
from vos.io.write.deliver.finished import FinishedResult
from vos.io.write.deliver.format import OPAQUE, Format, Shot

_INSIDE = 128


class ResultMattes:
    """The mattes of a result, made when they are asked for, best in the order of the frames.

    No more are held than the temporal step looks at: 2 N + 1 for each object.

    objects: ids of those that are asked for.
    edges: what is done to them.
    is_soft: whether to use soft mattes; the result has to have them.

    hard: frames and objects whose soft matte was left, as mask and matte do not fit together: one
        of them was changed outside of vos, and the mask is what people see.
    """

    def __init__(
        self, result: FinishedResult, objects: Sequence[int], edges: Edges, *, is_soft: bool
    ) -> None:
        self._result, self._edges, self._is_soft = result, edges, is_soft
        self.hard: set[tuple[int, int]] = set()
        window = 2 * edges.temporal + 1
        # Read ahead for the temporal step, and again for the frame's own label map.
        self.labels = lru_cache(window)(result.label_map)
        self._shape = lru_cache(window * len(objects))(self._make_shape)

    def matte(self, frame_idx: int, object_id: int) -> np.ndarray:
        """Return an object's matte on a frame, uint8 H x W, read-only.

        Raises InputError where a file of the result is damaged.
        """
        reach = self._reach(frame_idx)
        window = range(frame_idx - reach, frame_idx + reach + 1)
        middle = temporal_median([self._shape(one, object_id) for one in window])
        done = feather(middle, self._edges)
        done.setflags(write=False)
        return done

    def of_frame(self, frame_idx: int, objects: Iterable[int]) -> dict[int, np.ndarray]:
        """Return the mattes of these objects on a frame, by id."""
        return {one: self.matte(frame_idx, one) for one in objects}

    def _reach(self, frame_idx: int) -> int:
        """Return how many frames the temporal step looks at on either side: a scene's, with masks.

        As many on both sides, so that what moves evenly stays where it is.
        """
        masks = self._result.masks
        if not self._edges.temporal or frame_idx not in masks:
            return 0
        cuts = self._result.scene_cuts
        first = max([min(masks), *(cut for cut in cuts if cut <= frame_idx)])
        last = min([max(masks), *(cut - 1 for cut in cuts if cut > frame_idx)])
        return min(self._edges.temporal, frame_idx - first, last - frame_idx)

    def _make_shape(self, frame_idx: int, object_id: int) -> np.ndarray:
        return shape(self._stored(frame_idx, object_id), self._edges)

    def _stored(self, frame_idx: int, object_id: int) -> np.ndarray:
        labels = self.labels(frame_idx)
        is_object = labels == object_id
        if self._is_soft:
            matte = self._result.soft_matte(frame_idx, object_id)
            if matte is not None and _fits(matte, labels, is_object):
                return matte
            if matte is not None or is_object.any():
                self.hard.add((frame_idx, object_id))
        return np.where(is_object, OPAQUE, 0).astype(np.uint8)


def open_mattes(result: FinishedResult, form: Format, shot: Shot) -> ResultMattes | None:
    """Return what makes the mattes of an export; None where they are what label maps say.

    Formats that hold no mattes have none.
    """
    if not form.holds_mattes or (shot.edges.is_off and not shot.is_soft):
        return None
    return ResultMattes(result, list(shot.objects), shot.edges, is_soft=shot.is_soft)


def _fits(matte: np.ndarray, labels: np.ndarray, is_object: np.ndarray) -> bool:
    """Tell whether a soft matte is that of a mask.

    In what vos writes an object has a pixel only where its matte is 128 or more, and what is that
    belongs to some object.
    """
    is_own = matte >= _INSIDE
    return not (is_object & ~is_own).any() and not (is_own & (labels == 0)).any()
