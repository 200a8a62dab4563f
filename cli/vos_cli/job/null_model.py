"""`--model null`: all that surrounds a model and no model, to measure the rest. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vos.frame import Frame, FrameResult, ObjectResult
from vos.io.queues import prefetch
from vos.io.read.scene_cuts import CutWatch, SceneCuts
from vos.io.read.source import Source, TimePoint
from vos.io.results.checkpoints import SavedState, as_count
from vos.prompts import Prompt

_ABSENT = ObjectResult(iou_pred=0.0, object_score=-1.0)


class NullSession:
    """In the place of `vos.track.session.Session`: holds every object absent."""

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        self._objects = {prompt.object_id: _ABSENT for prompt in prompts}

    def track(self, frame: Frame) -> FrameResult:
        """As of `Session`."""
        return _nothing_on(frame, self._objects)

    def forget_recent(self) -> None:
        """Nothing is remembered."""


class NullStream:
    """In the place of `vos.stream.Stream`: reads every frame, and holds every object absent.

    start (inclusive), end (exclusive): frame index, or seconds as a Fraction. resume: what
    `checkpoint` returned in a run with the same arguments.

    steps, frames: results given, before `resume` too. cuts, found: as of `Stream`.
    """

    found = ()

    def __init__(
        self,
        source: Source,
        prompts: Sequence[Prompt],
        *,
        start: TimePoint | None,
        end: TimePoint | None,
        scene_cuts: SceneCuts = "off",
        resume: SavedState | None = None,
    ) -> None:
        self._source, self._start, self._end = source, start, end
        self._objects = {prompt.object_id: _ABSENT for prompt in prompts}
        self.cuts = CutWatch(scene_cuts, max(prompt.frame_idx for prompt in prompts))
        self.next_idx = self.frames = 0
        if resume is not None:
            self.next_idx, self.frames = map(as_count, resume.values["done"])
            self.cuts.resume(resume.values["cuts"])

    @property
    def steps(self) -> int:
        return self.frames

    def machine(self) -> dict[str, Any]:
        """What decides the last bits of a result: nothing."""
        return {}

    def backward(self) -> Iterator[int]:
        """No pass backward in any direction."""
        return iter(())

    def results(
        self,
        replay_from: int | None = None,
        replay: Callable[[Frame], None] = lambda _frame: None,
    ) -> Iterator[tuple[Frame, FrameResult]]:
        """As of `Stream`."""
        next_idx = self.next_idx
        skip_to = next_idx if replay_from is None else replay_from
        source = self._source.frames(self._start, self._end, skip_to=skip_to)
        with prefetch(self.cuts.look(source, next_idx)) as frames:
            for frame, seen in frames:
                if frame.frame_idx < next_idx:
                    replay(frame)
                    continue
                is_cut = self.cuts.take(frame, seen)
                if self.cuts.ended_at is not None:
                    break
                self.next_idx = frame.frame_idx + 1
                self.frames += 1
                yield frame, replace(_nothing_on(frame, self._objects), is_scene_cut=is_cut)
                del frame  # not held while the next one is read

    def checkpoint(self) -> SavedState:
        """Where this stream is. Call it between two frames."""
        return SavedState({"done": [self.next_idx, self.frames], "cuts": self.cuts.as_json()})


def _nothing_on(frame: Frame, objects: Mapping[int, ObjectResult]) -> FrameResult:
    empty = np.zeros(frame.size_hw, np.uint8)
    return FrameResult(frame.frame_idx, frame.pts, frame.name, empty, objects, frame.is_corrupt)
