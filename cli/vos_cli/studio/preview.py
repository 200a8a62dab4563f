"""Masks of one frame for what is drawn, at once: the frame is encoded only once.

On an object's first prompted frame they are what tracking gives there; on later ones they come from
the memory of its prompted frames, without those between.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from vos.errors import PromptError
from vos.frame import Frame, ObjectResult
from vos.io.read.random_access import RandomAccess
from vos.prompts import Absent, Prompt
from vos.prompts.absence import Absences
from vos_cli.console.errors import message
from vos_cli.studio.prompt_memory import PromptMemory, is_known_before, select_until

if TYPE_CHECKING:
    from vos.api import Tracker
    from vos.track.compose import ObjectLogits
    from vos.track.image import ImageSegmenter
    from vos.track.memory_bank import MemoryBank

_FRAMES_KEPT = 6  # features of SAM 2.1 take some 16 MB a frame

ByObject = dict[int, tuple[Prompt, ...]]


@dataclass(frozen=True, slots=True)
class Preview:
    """The masks that are shown for one frame.

    label_map: uint8 H x W of object ids.
    scores: by object id.
    notes: why an object has no mask, by its id.
    from_prompts: ids of the objects whose masks come from the memory of their prompted frames
        alone; tracking will remember the frames between them too.
    """

    label_map: np.ndarray
    scores: dict[int, ObjectResult]
    notes: dict[int, str]
    from_prompts: tuple[int, ...] = ()


@dataclass(slots=True)
class _Encoded:
    """A frame that the model has encoded.

    frame: carries the features.
    segmenter: keeps the masks of objects that are first prompted here.
    masked: the prompts that these masks are of, by object id.
    remembered: the masks of objects that are known before, by id, with the prompts they are of.
    """

    frame: Frame
    segmenter: ImageSegmenter
    masked: ByObject = field(default_factory=dict)
    remembered: dict[int, tuple[tuple[Prompt, ...], ObjectLogits]] = field(default_factory=dict)


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
        self._memory = PromptMemory()
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
        """Predict the masks that the prompts on this frame and on earlier ones give here.

        Raises UsageError if there is no such frame, or what loading the model raised.
        """
        by_object = _group(prompts)
        known = {i: own for i, own in by_object.items() if is_known_before(own, frame_idx)}
        drawn = {
            i: tuple(replace(one, frame_idx=0) for one in own if _is_drawn_on(one, frame_idx))
            for i, own in by_object.items()
            if i not in known
        }
        tracker = self.tracker()
        from vos.track.compose import compose

        with self._using_model:
            remembered, notes = self._from_memory(tracker, frame_idx, known)
            encoded = self._frame(tracker, frame_idx)
            notes |= _bring_up_to_date(encoded, {i: own for i, own in drawn.items() if own})
            result = compose(encoded.frame, encoded.segmenter.decode([]) | remembered)
        absences = Absences.of(prompts)
        guessed = tuple(i for i in remembered if not absences.hold(i, frame_idx))
        return Preview(result.label_map, dict(result.objects), notes, guessed)

    def _from_memory(
        self, tracker: Tracker, frame_idx: int, known: Mapping[int, tuple[Prompt, ...]]
    ) -> tuple[dict[int, ObjectLogits], dict[int, str]]:
        """Return the masks of objects that are known before, and why one has none."""
        masks: dict[int, ObjectLogits] = {}
        notes: dict[int, str] = {}

        def read(idx: int, banks: Mapping[int, MemoryBank]) -> Frame:
            return self._frame_for(tracker, idx, banks)

        for object_id, own in known.items():
            key = select_until(own, frame_idx)
            encoded = self._encoded.get(frame_idx)
            kept = None if encoded is None else encoded.remembered.get(object_id)
            if kept is None or kept[0] != key:
                try:
                    kept = key, self._memory.predict(tracker, own, frame_idx, read)
                except PromptError as error:
                    notes[object_id] = message(error)
                    continue
                self._frame(tracker, frame_idx).remembered[object_id] = kept
            masks[object_id] = kept[1]
        return masks, notes

    def _frame(self, tracker: Tracker, frame_idx: int) -> _Encoded:
        known = self._encoded.get(frame_idx)
        if known is None:
            image = self._frames.read(frame_idx)
            segmenter = tracker.image(image)
            known = _Encoded(segmenter.as_frame(frame_idx), segmenter)
            self._encoded[frame_idx] = known
            while len(self._encoded) > _FRAMES_KEPT:
                self._encoded.popitem(last=False)
        self._encoded.move_to_end(frame_idx)
        return known

    def _frame_for(
        self, tracker: Tracker, frame_idx: int, banks: Mapping[int, MemoryBank]
    ) -> Frame:
        """Return the frame with what these objects are there before anybody prompts them."""
        from vos.track.step import foresee

        known = self._frame(tracker, frame_idx)
        encoded = foresee(tracker.engine, known.frame.encoded, banks)
        known.frame = replace(known.frame, encoded=encoded)
        return known.frame

    def _fetch(self) -> None:
        try:
            self._tracker = self._load()
        except BaseException as error:  # raised again where a mask is wanted
            self.error = error
        finally:
            self._loaded.set()


def _bring_up_to_date(frame: _Encoded, drawn: ByObject) -> dict[int, str]:
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


def _group(prompts: Sequence[Prompt]) -> ByObject:
    in_order = sorted(prompts, key=_object_id)
    return {i: tuple(own) for i, own in groupby(in_order, key=_object_id)}


def _is_drawn_on(prompt: Prompt, frame_idx: int) -> bool:
    return prompt.frame_idx == frame_idx and not isinstance(prompt, Absent)


def _object_id(prompt: Prompt) -> int:
    return prompt.object_id
