"""Masks for a correction, at once, from the memory of the result's mask on the frame before.

What recomputing gives comes from more memory, so it may differ a little.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from vos.errors import PromptError
from vos.frame import Frame, ObjectResult
from vos.io.read.random_access import RandomAccess
from vos.prompts import Absent, Prompt
from vos.prompts.absence import Absences
from vos_cli.console.errors import message
from vos_cli.fix.exact import exact_masks, with_exact
from vos_cli.fix.overlap import hand_on, laid_over
from vos_cli.fix.plan import merged
from vos_cli.fix.result import Result
from vos_cli.studio.preview import Preview, Previewer

if TYPE_CHECKING:
    from vos.api import Tracker
    from vos.track.memory_bank import MemoryBank

_ABSENT = ObjectResult(iou_pred=1.0, object_score=-10.0)
_TAKEN = "all of it is part of another object: draw a prompt for that one here too"


class FixPreviewer(Previewer):
    """Masks of single frames of a result, with what is drawn on them and not yet part of it.

    load: makes the tracker.
    frames: the input's frames, by index.
    result: returns the result as it is now.
    """

    def __init__(
        self, load: Callable[[], Tracker], frames: RandomAccess, result: Callable[[], Result]
    ) -> None:
        super().__init__(load, frames)
        self._result = result
        self._banks: dict[int, MemoryBank] = {}
        self._banks_key: tuple[int, int] | None = None

    def encode(self, frame_idx: int) -> None:
        """Prepare the memory for this frame, so that prompts on it are quick."""
        tracker, result = self.tracker(), self._result()
        if frame_idx not in result.frames:
            return
        with self._using_model:
            banks = self._remember(tracker, result, frame_idx)
        for object_id, bank in banks.items():
            with self._using_model:  # a click on another object need not wait for all
                self._frame_for(tracker, frame_idx, {object_id: bank})

    def masks(self, frame_idx: int, prompts: Sequence[Prompt]) -> Preview:
        result = self._result()
        if frame_idx not in result.frames:
            height, width = result.source.info.size_hw
            return Preview(np.zeros((height, width), np.uint8), {}, {})
        labels, scores = result.labels(frame_idx), _scores(result, frame_idx)
        absences = Absences.of(prompts)
        gone = [i for i in scores if absences.hold(i, frame_idx)]
        labels = np.where(np.isin(labels, gone), 0, labels).astype(np.uint8)
        scores |= dict.fromkeys(gone, _ABSENT)
        drawn = [
            prompt
            for prompt in prompts
            if prompt.frame_idx == frame_idx and not isinstance(prompt, Absent)
        ]
        if not drawn:
            return Preview(labels, scores, {})
        tracker = self.tracker()
        with self._using_model:
            try:
                return self._predict(tracker, result, frame_idx, drawn, labels, scores)
            except PromptError as error:
                notes = {prompt.object_id: message(error) for prompt in drawn}
                return Preview(labels, scores, notes)

    def _predict(
        self,
        tracker: Tracker,
        result: Result,
        frame_idx: int,
        drawn: Sequence[Prompt],
        labels: np.ndarray,
        scores: dict[int, ObjectResult],
    ) -> Preview:
        from vos.track.compose import label_map

        objects = {prompt.object_id for prompt in drawn}
        here = [
            prompt
            for prompt in merged(result.prompts, drawn)
            if prompt.frame_idx == frame_idx
            and prompt.object_id in objects
            and not isinstance(prompt, Absent)
        ]
        banks = self._remember(tracker, result, frame_idx)
        known = {i: banks[i] for i in banks if i in objects}
        session = tracker.session(here, banks=known)
        frame = self._frame_for(tracker, frame_idx, known)
        decoded = session.decode(frame)
        new = label_map({i: one.logits for i, one in decoded.items()}, frame.size_hw)
        new = with_exact(new, exact_masks(here, frame_idx, decoded, frame.size_hw))
        added = objects - {prompt.object_id for prompt in result.prompts}
        both = laid_over(labels, new, decoded, added)
        if result.is_soft:
            others = scores.keys() - decoded.keys()
            both = hand_on(labels, both, others, partial(result.matte, frame_idx))
        notes = {i: _TAKEN for i in added if (new == i).any() and not (both == i).any()}
        return Preview(both, scores | {i: one.scores for i, one in decoded.items()}, notes)

    def _remember(self, tracker: Tracker, result: Result, frame_idx: int) -> dict[int, MemoryBank]:
        """Remember every object's mask on the frame before, or on the one after the first."""
        version = len(result.history())
        if self._banks_key == (version, frame_idx):
            return self._banks
        from vos.track.from_masks import KnownMask, remember_masks

        near = frame_idx - 1 if frame_idx - 1 in result.frames else frame_idx + 1
        banks: dict[int, MemoryBank] = {}
        if near in result.frames:
            labels = result.labels(near)
            known = {i: KnownMask(labels == i, one) for i, one in _scores(result, near).items()}
            frame = self._frame_at(near)
            banks = remember_masks(tracker.engine, banks, frame, known, prompted=True)
        self._banks, self._banks_key = banks, (version, frame_idx)
        return self._banks

    def _frame_at(self, frame_idx: int) -> Frame:
        return Frame(self._frames.read(frame_idx), Fraction(0), frame_idx, str(frame_idx))


def _scores(result: Result, frame_idx: int) -> dict[int, ObjectResult]:
    return {
        row["object_id"]: ObjectResult(_number(row["iou_pred"]), _number(row["object_score"]))
        for row in result.stats.rows(frame_idx)
    }


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
