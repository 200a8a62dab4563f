"""The Python API: load a tracker, track a video.

tracker = vos.load("auto", refiner="auto", device="auto")
for result in tracker.track("video.mp4", prompts=[vos.Box(1, (100, 50, 400, 300))]):
    result.masks[1]
for one image: tracker.image("photo.jpg").segment([...]), or vos.segment_image("photo.jpg", [...])
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, get_args

import numpy as np
import torch

from vos.bounded import brief
from vos.errors import InputError, PromptError, UsageError, VosWarning
from vos.frame import IMAGE_RATE, Frame, FrameResult
from vos.io.read.open import open_source, read_image
from vos.io.read.scene_cuts import SceneCuts
from vos.io.read.source import Decoder, Source, TimePoint, check_range
from vos.io.timecode import parse_rate
from vos.model.load import ModelInfo
from vos.model.sam2 import Sam2Model
from vos.own_frames import Footage, check_own_frames, is_own_frames, track_own_frames
from vos.prompts import Direction, Prompt, check_prompts, find_notes
from vos.refine.base import Refiner
from vos.refine.resolve import RefinerInfo
from vos.stream import Stream
from vos.track.engine import Engine
from vos.track.everything import suit_model
from vos.track.image import ImageSegmenter
from vos.track.lookout import Lookout, check_lookout
from vos.track.memory_bank import MemoryBank
from vos.track.policy import MemoryPolicy
from vos.track.session import Session


@dataclass(frozen=True, slots=True)
class Tracker:
    """A loaded model with its refiner, which tracks any number of videos.

    model: the network's verbs.
    model_info: name, file, sha256 and input size of the weights.
    refiner: improves the masks.
    dtype: float32, or bfloat16 for mixed precision.
    policy: manages the memories.
    refiner_info: the refiner's file, None where it has none.
    """

    model: Sam2Model
    model_info: ModelInfo
    refiner: Refiner
    dtype: torch.dtype
    policy: MemoryPolicy
    refiner_info: RefinerInfo | None = None

    def session(
        self,
        prompts: Sequence[Prompt] = (),
        *,
        reverse: bool = False,
        frame_count: int | None = None,
        banks: Mapping[int, MemoryBank] | None = None,
        soft: bool = False,
        rate: Fraction | float | str | None = None,
        lookout: Lookout | None = None,
    ) -> Session:
        """Begin a stream, for frames you bring yourself (a camera, another decoder).

        prompts: any mix of objects and frames.
        reverse, frame_count, soft: see `Session`.
        banks: what is remembered of objects that are tracked already; None for none.
        rate: frames per second of arrays, such as 30 or "30000/1001"; None for 24.
        lookout: how new objects are found without a prompt; None to look for none.
        """
        check_lookout(lookout)
        if lookout is not None and lookout.find is None and lookout.wanted is None:
            lookout = replace(lookout, wanted=suit_model(self.model_info.name))
        return Session(
            self.model,
            prompts,
            refiner=self.refiner,
            policy=self.policy,
            dtype=self.dtype,
            reverse=reverse,
            frame_count=frame_count,
            banks=banks or {},
            soft=soft,
            rate=IMAGE_RATE if rate is None else parse_rate(rate),
            lookout=lookout,
        )

    @property
    def engine(self) -> Engine:
        """Return the model with its refiner, its policy and its precision."""
        return Engine(self.model, self.refiner, self.policy, self.dtype)

    def image(self, image: str | os.PathLike[str] | np.ndarray) -> ImageSegmenter:
        """Open one image to click on; it is encoded here, once.

        image: path of an image file, or uint8 H x W x 3, RGB.

        Raises: InputError if it cannot be read or is no such array.
        """
        if isinstance(image, (str, os.PathLike)):
            frame, notices = read_image(image)
            _warn(notices)
            return self._image(frame.image, frame.name)
        return self._image(image, "image")

    def track(
        self,
        footage: Footage,
        prompts: Sequence[Prompt] = (),
        *,
        start: TimePoint | None = None,
        end: TimePoint | None = None,
        direction: Direction = "forward",
        decoder: Decoder = "pyav",
        rate: Fraction | float | str | None = None,
        scene_cuts: SceneCuts = "off",
        soft: bool = False,
        lookout: Lookout | None = None,
    ) -> Iterator[FrameResult]:
        """Yield one result per frame of a video, images, or frames of your own, in order.

        footage: path of a video file, image folder, glob or image; an open `Source`, which stays
            open; or any iterable of uint8 H x W x 3 RGB arrays, which are counted from 0, or of
            Frames. Of an iterable no frame is taken before the last one's result has been given.
        prompts: at least one, or none with a lookout.
        start (inclusive), end (exclusive): frame index, or seconds as a Fraction.
        direction: "forward" from each object's first prompt; "backward" from its last one towards
            the start; "both" covers every frame.
        decoder: reads video files.
        rate: frames per second of stills and arrays, None for 24; videos take none.
        scene_cuts: "mark" them (`is_scene_cut` of a result is true there), "stop" there, or
            "reset" the memory to prompted frames.
        soft: whether results have `mattes`, soft edges of each object by itself.
        lookout: how new objects are found without a prompt, going forward; None to look for none.

        Raises: InputError if the input cannot be read, PromptError if a prompt does not fit it,
        UsageError for a direction, range, rate or decoder that it cannot have.
        """
        prompts = _check_arguments(prompts, start, end, direction, scene_cuts, lookout)
        if is_own_frames(footage):
            check_own_frames(footage, start, end, direction, decoder)
            count = len(footage) if isinstance(footage, Sized) else None
            session = self.session(
                prompts, frame_count=count, soft=soft, rate=rate, lookout=lookout
            )
            return track_own_frames(session, footage, scene_cuts, _warn)
        if isinstance(footage, Source) and (rate is not None or decoder != "pyav"):
            raise UsageError("an open source has its rate and decoder: give them to open_source")

        def results() -> Iterator[FrameResult]:
            with _opened(footage, decoder, rate) as source:
                pairs = self.stream(
                    source,
                    prompts,
                    start=start,
                    end=end,
                    direction=direction,
                    scene_cuts=scene_cuts,
                    soft=soft,
                    lookout=lookout,
                )
                said = (*source.notices, *source.warnings)
                _warn((*said, *find_notes(prompts, source.info.size_hw)))
                for _frame, result in pairs:
                    yield result
                _warn([text for text in source.warnings if text not in said])

        return results()

    def stream(
        self,
        source: Source,
        prompts: Sequence[Prompt] = (),
        *,
        start: TimePoint | None = None,
        end: TimePoint | None = None,
        direction: Direction = "forward",
        scene_cuts: SceneCuts = "off",
        soft: bool = False,
        lookout: Lookout | None = None,
        on_backward: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[Frame, FrameResult]]:
        """Yield results as `track`, over an open source, each with its frame for sinks that draw.

        on_backward: called after each frame of the backward pass, which comes before any result.
        """
        prompts = _check_arguments(prompts, start, end, direction, scene_cuts, lookout)
        if not isinstance(source, Source):
            raise InputError(
                f"{type(source).__name__} is no open source; give one of open_source(path), or the "
                "path itself to Tracker.track"
            )

        def pairs() -> Iterator[tuple[Frame, FrameResult]]:
            with Stream(
                self,
                source,
                prompts,
                start=start,
                end=end,
                direction=direction,
                scene_cuts=scene_cuts,
                soft=soft,
                lookout=lookout,
            ) as stream:
                for _ in stream.backward():
                    on_backward()
                yield from stream.results()

        return pairs()

    def _image(self, image: np.ndarray, name: str) -> ImageSegmenter:
        return ImageSegmenter(
            self.model,
            image,
            refiner=self.refiner,
            policy=self.policy,
            dtype=self.dtype,
            name=name,
        )


def _check_arguments(
    prompts: Sequence[Prompt],
    start: TimePoint | None,
    end: TimePoint | None,
    direction: Direction,
    scene_cuts: SceneCuts,
    lookout: Lookout | None,
) -> tuple[Prompt, ...]:
    """Refuse at the call, not at the first result. Returns the prompts as a tuple."""
    prompts = check_prompts(prompts)
    if not prompts and lookout is None:
        raise PromptError(
            "no prompt: nothing to track; give a box, point, polygon or mask, or a Lookout"
        )
    check_range(start, end)
    choices = {"direction": (direction, Direction), "scene_cuts": (scene_cuts, SceneCuts)}
    for name, (value, literal) in choices.items():
        if not isinstance(value, str) or value not in get_args(literal):
            raise UsageError(f"{name} {brief(value)}: not one of {', '.join(get_args(literal))}")
    check_lookout(lookout)
    if lookout is not None and direction != "forward":
        raise UsageError(f"direction {direction!r}: a lookout goes forward; leave one of them out")
    return prompts


def _opened(
    footage: Footage,
    decoder: Decoder,
    rate: Fraction | float | str | None,
) -> AbstractContextManager[Source]:
    """Open what is a path; a source that is open already is not closed afterwards."""
    if isinstance(footage, Source):
        return nullcontext(footage)
    path: Any = footage  # `open_source` says what is none
    return open_source(path, decoder=decoder, rate=rate)


def _warn(texts: Iterable[str]) -> None:
    """Say in Python what the command line says on stderr."""
    for text in texts:
        warnings.warn(text, VosWarning, stacklevel=3)
