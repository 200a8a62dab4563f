"""Find objects that nobody prompted on every N-th frame of a stream.

What is found is a new object where no tracked object covers it: at least half of its mask must lie
outside all masks of that frame, and that part must be large enough to be no edge of something.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool

from vos.errors import Parameter, UsageError
from vos.frame import Frame
from vos.model.sam2 import Sam2Model
from vos.prompts.kinds import MAX_OBJECT_ID, MaskPrompt
from vos.track.everything import Everything, find_everything

MOST_FOLLOWED = 64
"""Objects that are followed without a prompt: each costs time on every frame."""

_LEAST_ALONE = 0.5
_LEAST_SHARE = 1 / 1024  # of a frame: a square of a 32nd of both sides

Find = Callable[[Frame], Iterable[np.ndarray]]
"""(frame) -> masks of objects on it, bool H x W, the best first."""


@dataclass(frozen=True, slots=True)
class Lookout:
    """How a session looks for objects that nobody prompted; the first look is at its first frame.

    every: frames from one look to the next.
    wanted: which masks of the model are kept; None for those that suit the model.
    find: finds masks in place of the model, such as a detector of your own.
    most: objects in all; where there are so many, nobody looks any more.

    Raises UsageError for numbers that are out of range.
    """

    every: int
    wanted: Everything | None = None
    find: Find | None = None
    most: int = MOST_FOLLOWED

    def __post_init__(self) -> None:
        if type(self.every) is not int or self.every < 1:
            raise UsageError(
                Parameter("every", self.every),
                ": it is a number of frames, 1 or more; 24 looks once in 24 frames",
            )
        if type(self.most) is not int or not 1 <= self.most <= MAX_OBJECT_ID:
            raise UsageError(
                Parameter("most", self.most), f": it is a number of objects, 1 to {MAX_OBJECT_ID}"
            )

    def find_masks(
        self, model: Sam2Model, frame: Frame, dtype: torch.dtype
    ) -> Iterator[Bool[np.ndarray, "h w"]]:
        """Yield masks of all objects on a frame, tracked ones included, the best first."""
        if self.find is not None:
            for mask in self.find(frame):
                yield _checked(mask, frame)
            return
        found = find_everything(model, frame.image, self.wanted, dtype)
        for one in sorted(found, key=lambda one: -one.iou_pred):
            yield one.mask(frame.size_hw)


def check_lookout(value: Any) -> None:
    """Raise UsageError for what is neither a lookout nor None."""
    if value is not None and not isinstance(value, Lookout):
        raise UsageError(
            Parameter("lookout"),
            f": {type(value).__name__} is no vos.Lookout; give one, such as vos.Lookout(every=24)",
        )


@dataclass(frozen=True, slots=True)
class Newcomer:
    """An object that was found without a prompt.

    object_id: the one that it has from then on.
    frame_idx: where it was found.
    size_hw: of that frame.
    packed: its mask there, small, as there may be many of them; `prompt` has it whole.
    """

    object_id: int
    frame_idx: int
    size_hw: tuple[int, int]
    packed: str

    @classmethod
    def of(cls, prompt: MaskPrompt) -> Newcomer:
        """Return the newcomer that a prompt shows."""
        height, width = prompt.mask.shape
        packed = base64.b64encode(zlib.compress(np.packbits(prompt.mask).tobytes(), 1))
        return cls(prompt.object_id, prompt.frame_idx, (height, width), packed.decode("ascii"))

    def prompt(self) -> MaskPrompt:
        """Return the prompt that the object was tracked from. Raises ValueError if damaged."""
        pixels = math.prod(self.size_hw)
        size = math.ceil(pixels / 8)
        try:
            bits = zlib.decompressobj().decompress(base64.b64decode(self.packed), size)
        except zlib.error as error:
            raise ValueError(f"a saved mask is damaged: {error}") from error
        if len(bits) != size or not any(bits):
            raise ValueError("a saved mask is of another size, or empty")
        mask = np.unpackbits(np.frombuffer(bits, np.uint8), count=pixels)
        return MaskPrompt(self.object_id, mask.reshape(self.size_hw), self.frame_idx)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a lookout has found so far.

    next_look: index of the first frame that may be looked at next; None before the first look.
    newcomers: in the order found.
    full_at: frame from which on there are as many objects as may be; None before.
    left_out: new objects of that frame for which there was no room.
    """

    next_look: int | None = None
    newcomers: tuple[Newcomer, ...] = ()
    full_at: int | None = None
    left_out: int = 0

    def is_due(self, frame_idx: int) -> bool:
        """Tell whether a frame is to be looked at."""
        return self.full_at is None and (self.next_look is None or frame_idx >= self.next_look)

    def as_plain(self) -> dict[str, Any]:
        """Return plain values for a checkpoint."""
        found = [[one.object_id, one.frame_idx, *one.size_hw, one.packed] for one in self.newcomers]
        return {
            "next_look": self.next_look,
            "newcomers": found,
            "full_at": self.full_at,
            "left_out": self.left_out,
        }

    @classmethod
    def from_plain(cls, saved: Mapping[str, Any]) -> Seen:
        """Read what `as_plain` gave. Raises ValueError, TypeError or LookupError for the rest."""
        newcomers = tuple(
            Newcomer(_count(who), _count(idx), (_count(height), _count(width)), str(packed))
            for who, idx, height, width, packed in saved["newcomers"]
        )
        next_look, full_at = (
            None if saved[key] is None else _count(saved[key]) for key in ("next_look", "full_at")
        )
        return cls(next_look, newcomers, full_at, _count(saved["left_out"]))

    def check(self, size_hw: tuple[int, int]) -> None:
        """Raise ValueError unless all that was found are masks of this size."""
        for one in self.newcomers:
            if one.size_hw != size_hw:
                raise ValueError("a saved mask is of another size")
            one.prompt()

    def full_text(self) -> str:
        """Say that there is no room for more objects."""
        more = f"; {self.left_out} more there are left out" if self.left_out else ""
        return (
            f"frame {self.full_at}: {len(self.newcomers)} objects were found by then, and more are "
            f"not followed at once{more}, and later frames are not looked at: prompt what is "
            "missing"
        )


def look(
    lookout: Lookout,
    seen: Seen,
    frame: Frame,
    covered: Bool[np.ndarray, "h w"],
    in_use: Collection[int],
    masks: Iterable[Bool[np.ndarray, "h w"]],
) -> tuple[Seen, tuple[MaskPrompt, ...]]:
    """Return what has been seen after a look at a frame, and prompts of the objects that are new.

    covered: pixels of objects that are tracked. in_use: ids that are taken. masks: of what is on
    the frame, best first.
    """
    is_first = seen.next_look is None and not in_use
    least_px = 1 if is_first else math.ceil(covered.size * _LEAST_SHARE)
    ids = (i for i in range(1, MAX_OBJECT_ID + 1) if i not in in_use)
    room = lookout.most - len(in_use)
    prompts: list[MaskPrompt] = []
    left_out = 0
    for mask in take_new(masks, covered, least_px):
        if room <= len(prompts):
            left_out += 1
        else:
            prompts.append(MaskPrompt(next(ids), mask, frame.frame_idx))
    found = map(Newcomer.of, prompts)
    after = replace(
        seen,
        next_look=frame.frame_idx + lookout.every,
        newcomers=(*seen.newcomers, *found),
        full_at=frame.frame_idx if room <= len(prompts) else None,
        left_out=left_out,
    )
    return after, tuple(prompts)


def take_new(
    masks: Iterable[Bool[np.ndarray, "h w"]], covered: Bool[np.ndarray, "h w"], least_px: int
) -> Iterator[Bool[np.ndarray, "h w"]]:
    """Yield what is new of masks, best first: the part that neither `covered` nor a better one has.

    It is at least half of a mask, and `least_px` pixels.
    """
    covered = covered.copy()
    for mask in masks:
        alone = mask & ~covered
        area = np.count_nonzero(alone)
        if area >= max(least_px, _LEAST_ALONE * np.count_nonzero(mask), 1):
            yield alone
            covered |= mask


def _checked(mask: Any, frame: Frame) -> Bool[np.ndarray, "h w"]:
    if isinstance(mask, np.ndarray) and mask.dtype == np.bool_ and mask.shape == frame.size_hw:
        return mask
    what = type(mask).__name__
    if isinstance(mask, np.ndarray):
        what = f"{mask.dtype} {' x '.join(map(str, mask.shape))}"
    height, width = frame.size_hw
    raise UsageError(
        Parameter("find"),
        f" gave {what} on frame {frame.frame_idx}: a mask is a bool array of the frame's size, "
        f"{height} x {width}; threshold or resize it",
    )


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError("a saved count is no whole number of 0 or more")
    return value
