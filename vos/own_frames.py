"""Track frames that a program brings itself: a camera, another decoder, arrays in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeGuard

import numpy as np

from vos.errors import InputError, UsageError
from vos.frame import Frame, FrameResult
from vos.io.read.scene_cuts import CutWatch, SceneCuts
from vos.io.read.source import Decoder, Source, TimePoint
from vos.prompts import Direction, find_notes
from vos.track.session import Session

OwnFrames = Iterable[np.ndarray] | Iterable[Frame]
"""Arrays (uint8 H x W x 3, RGB), or Frames with an index and a time of their own."""

Footage = str | os.PathLike[str] | Source | OwnFrames
"""What can be tracked: a path, an open source, or frames of one's own."""


def is_own_frames(footage: Any) -> TypeGuard[OwnFrames]:
    """Tell whether this is an iterable and neither a path nor a source."""
    if isinstance(footage, (str, bytes, os.PathLike, Source)):
        return False
    return isinstance(footage, Iterable)


def check_own_frames(
    frames: OwnFrames,
    start: TimePoint | None,
    end: TimePoint | None,
    direction: Direction,
    decoder: Decoder,
) -> None:
    """Refuse what only footage that can be read again and anywhere has.

    Raises InputError for a single image, UsageError for a range, direction or decoder.
    """
    if isinstance(frames, np.ndarray) and frames.ndim != 4:
        raise InputError(
            f"an array of {frames.ndim} dimensions is not a sequence of frames; give a list of "
            "uint8 height x width x 3 arrays, or one image to Tracker.image(image)"
        )
    if direction != "forward":
        raise UsageError(
            f"direction {direction!r}: frames of your own are taken once, forward; write them to a "
            "file, or give a session with reverse=True the Frames in descending order"
        )
    if start is not None or end is not None:
        raise UsageError(
            "start and end are for footage that vos opens; give only the frames to track, for "
            "instance with itertools.islice"
        )
    if decoder != "pyav":
        raise UsageError(f"decoder {decoder!r}: frames of your own are decoded already")


def track_own_frames(
    session: Session,
    frames: OwnFrames,
    scene_cuts: SceneCuts,
    on_notes: Callable[[list[str]], None],
) -> Iterator[FrameResult]:
    """Yield one result per frame; no frame is taken before the last result was given.

    on_notes: is told how prompts were read, with the first frame, and where there is no room for
        more objects.
    """
    cuts = CutWatch(scene_cuts, max((prompt.frame_idx for prompt in session.prompts), default=0))
    prompts = session.prompts
    for frame, seen in cuts.look(map(session.next_frame, iter(frames))):
        is_cut = cuts.take(frame, seen)
        if cuts.ended_at is not None:
            break
        if is_cut and cuts.action == "reset":
            session.forget_recent()
        result = session.track(frame)
        if prompts:
            on_notes(find_notes(prompts, frame.size_hw))
            prompts = ()
        seen = session.snapshot().seen
        if seen.full_at == frame.frame_idx:
            on_notes([seen.full_text()])
        yield replace(result, is_scene_cut=is_cut)
    session.check_all_used()
