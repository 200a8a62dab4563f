"""Masks for what is drawn on one frame, at once: the frame is encoded only once.

They are what tracking gives on an object's first prompted frame: the tracker's memory of other
frames plays no part here.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from vos.errors import PromptError
from vos.frame import ObjectResult
from vos.io.read.random_access import RandomAccess
from vos.prompts import Absent, Prompt
from vos_cli.console.errors import message

if TYPE_CHECKING:
    from vos.api import Tracker
    from vos.track.image import ImageSegmenter

_FRAMES_KEPT = 6  # features of SAM 2.1 take some 16 MB a frame

Drawn = dict[int, tuple[Prompt, ...]]


@dataclass(frozen=True, slots=True)
class Preview:
    """The masks that are shown for one frame.

    label_map: uint8 H x W of object ids.
    scores: by object id.
    notes: why an object has no mask, by its id.
    """

    label_map: np.ndarray
    scores: dict[int, ObjectResult]
    notes: dict[int, str]


@dataclass(slots=True)
class _Encoded:
    """A frame that the model has encoded.

    segmenter: keeps the features and the masks.
    masked: the prompts that its masks are of, by object id.
    """

    segmenter: ImageSegmenter
    masked: Drawn = field(default_factory=dict)


class Previewer:
    """Masks of single frames. The tracker loads in a thread, as that takes seconds.

    load: makes the tracker.
    frames: the input's frames, by index.
    error: why there is no tracker, one line; None as long as it may come.
    """

    def __init__(self, load: Callable[[], Tracker], frames: RandomAccess) -> None:
        self._load = load
        self._frames = frames
        self._tracker: Tracker | None = None
        self._loaded = threading.Event()
        self._using_model = threading.Lock()
        self._encoded: OrderedDict[int, _Encoded] = OrderedDict()
        self.error: BaseException | None = None
        threading.Thread(target=self._fetch, name="model", daemon=True).start()

    @property
    def is_ready(self) -> bool:
        return self._tracker is not None

    @property
    def model_name(self) -> str | None:
        return None if self._tracker is None else self._tracker.model_info.name

    def tracker(self) -> Tracker:
        """Wait until the tracker is loaded, and return it. Raises what loading raised."""
        self._loaded.wait()
        if self._tracker is None:
            raise self.error or RuntimeError("no model")
        return self._tracker

    def encode(self, frame_idx: int) -> None:
        """Encode the frame, so that prompts on it are quick."""
        tracker = self.tracker()
        with self._using_model:
            self._frame(tracker, frame_idx)

    def masks(self, frame_idx: int, prompts: Sequence[Prompt]) -> Preview:
        """Predict the masks of the prompts that lie on this frame.

        Raises UsageError if there is no such frame, or what loading the model raised.
        """
        drawn = {
            object_id: tuple(replace(prompt, frame_idx=0) for prompt in group)
            for object_id, group in groupby(
                sorted((p for p in prompts if _is_drawn_on(p, frame_idx)), key=_object_id),
                key=_object_id,
            )
        }
        tracker = self.tracker()
        with self._using_model:
            frame = self._frame(tracker, frame_idx)
            notes = _bring_up_to_date(frame, drawn)
            result = frame.segmenter.segment([])
        return Preview(result.label_map, dict(result.objects), notes)

    def _frame(self, tracker: Tracker, frame_idx: int) -> _Encoded:
        known = self._encoded.get(frame_idx)
        if known is None:
            known = _Encoded(tracker.image(self._frames.read(frame_idx)))
            self._encoded[frame_idx] = known
            while len(self._encoded) > _FRAMES_KEPT:
                self._encoded.popitem(last=False)
        self._encoded.move_to_end(frame_idx)
        return known

    def _fetch(self) -> None:
        try:
            self._tracker = self._load()
        except BaseException as error:  # raised again where a mask is wanted
            self.error = error
        finally:
            self._loaded.set()


def _bring_up_to_date(frame: _Encoded, drawn: Drawn) -> dict[int, str]:
    """Predict each object anew whose prompts changed; return why an object has no mask."""
    notes: dict[int, str] = {}
    for object_id in {*frame.masked, *drawn}:
        if frame.masked.get(object_id) == drawn.get(object_id):
            continue
        # From the start, so that undo and redo give what the same prompts gave before.
        frame.segmenter.forget(object_id)
        frame.masked.pop(object_id, None)
        if object_id not in drawn:
            continue
        try:
            frame.segmenter.decode(drawn[object_id])
            frame.masked[object_id] = drawn[object_id]
        except PromptError as error:
            notes[object_id] = message(error)
    return notes


def _is_drawn_on(prompt: Prompt, frame_idx: int) -> bool:
    return prompt.frame_idx == frame_idx and not isinstance(prompt, Absent)


def _object_id(prompt: Prompt) -> int:
    return prompt.object_id
