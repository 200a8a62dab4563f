"""Simulated clicks in a video: each lands in the middle of the largest error so far, as SAM 2's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from vos.frame import Frame, FrameResult
from vos.io.read.open import open_source
from vos.prompts import Points
from vos_eval.data_sets.base import ObjectMasks, Video
from vos_eval.metrics.clicks import Click, next_click

if TYPE_CHECKING:
    from vos.api import Tracker
    from vos.track.memory_bank import MemoryBank
    from vos.track.session import Session

_INSIDE = 128


def is_own_pixel(result: FrameResult, object_id: int) -> np.ndarray:
    """Return an object's own mask, which those of others may overlap: bool H x W."""
    matte = result.mattes.get(object_id)
    if matte is None:
        return np.zeros(result.label_map.shape, bool)
    return matte >= _INSIDE


class Clicker:
    """A simulated person who clicks on objects of one video, and a tracker that follows.

    tracker: what tracks.
    video: which video.
    count: how many clicks a frame gets.

    Clicks that were made stay, so that tracking again begins with them.
    """

    def __init__(self, tracker: Tracker, video: Video, count: int) -> None:
        self._tracker = tracker
        self._video = video
        self._count = count
        self._made: defaultdict[int, dict[int, Points]] = defaultdict(dict)
        self._asked: defaultdict[int, dict[int, ObjectMasks]] = defaultdict(dict)

    def ask(self, one: ObjectMasks, frame_idx: int) -> None:
        """Let an object be clicked on when tracking comes to this frame."""
        self._asked[frame_idx][one.object_id] = one

    def is_clicked(self, one: ObjectMasks, frame_idx: int) -> bool:
        """Tell whether an object has clicks on a frame."""
        return one.object_id in self._made.get(frame_idx, {})

    def track(self) -> Iterator[FrameResult]:
        """Track the video with the clicks so far, and make those that were asked for."""
        banks: Mapping[int, MemoryBank] = {}
        session = self._begin((), banks)
        with open_source(self._video.image_dir) as source:
            for frame in source.frames():
                asked = self._asked.pop(frame.frame_idx, {})
                if asked:
                    self._click(frame, asked, banks)
                prompts = self._made.get(frame.frame_idx, {}).values()
                if prompts:
                    session = self._begin(prompts, banks)
                result = session.track(frame)
                banks = session.banks
                yield result

    def _begin(self, prompts: Iterable[Points], banks: Mapping[int, MemoryBank]) -> Session:
        """Begin a session in the middle of the video."""
        count = len(self._video.frames)
        return self._tracker.session(tuple(prompts), banks=banks, soft=True, frame_count=count)

    def _click(
        self, frame: Frame, asked: Mapping[int, ObjectMasks], banks: Mapping[int, MemoryBank]
    ) -> None:
        """Click on the objects; each click after the first sees the mask that those before made."""
        truths = {i: one.read(self._video.frames[frame.frame_idx]) for i, one in asked.items()}
        clicks: dict[int, list[Click]] = {i: [] for i in truths}
        made = self._made[frame.frame_idx]
        for _ in range(self._count):
            result = self._begin(made.values(), banks).track(frame)
            for object_id, truth in truths.items():
                mask = is_own_pixel(result, object_id)
                click = next_click(truth, mask, clicks[object_id])
                if click is not None:
                    clicks[object_id].append(click)
                    made[object_id] = _as_points(object_id, clicks[object_id], frame.frame_idx)


def _as_points(object_id: int, clicks: list[Click], frame_idx: int) -> Points:
    places = tuple((float(click.x_px), float(click.y_px)) for click in clicks)
    return Points(object_id, places, tuple(int(click.is_positive) for click in clicks), frame_idx)
