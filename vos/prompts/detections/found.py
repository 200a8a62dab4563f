"""What the readers of the three formats give, and how they read numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from vos.bounded import brief
from vos.errors import PromptError

XYXY = tuple[float, float, float, float]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_MOST_FRAMES = 10**9


@dataclass(frozen=True, slots=True)
class Detection:
    """One box that a detector found.

    place: where it is listed, for messages.
    number: that of its frame, as the file counts.
    track: that of its object, None for none.
    box_xyxy: left, top, right, bottom.
    label: the name of its class, empty for none.
    """

    place: str
    number: int
    track: int | None
    box_xyxy: XYXY
    label: str = ""


@dataclass(frozen=True, slots=True)
class Detections:
    """The boxes of one file or folder.

    name: of the file, for messages.
    kind: its format and how its frames are counted, for people.
    detections: in the order of the file.
    first: the number that the file gives the video's first frame; None where it does not tell.
    is_normalised: whether boxes are fractions of the frame and no pixels.
    size_hw: of the frames that the file names in pixels, else None.
    notes: what was left out, one line each.
    """

    name: str
    kind: str
    detections: tuple[Detection, ...]
    first: int | None
    is_normalised: bool = False
    size_hw: tuple[int, int] | None = None
    notes: tuple[str, ...] = field(default=())


def parse_number(word: str, where: str) -> float:
    """Read a finite number. Raises PromptError."""
    word = word.strip()
    value = float(word) if _NUMBER.fullmatch(word) else math.nan
    if not math.isfinite(value):
        raise PromptError(f"{where}: {brief(word)} is not a number: correct it")
    return value


def parse_whole(word: str, what: str, where: str) -> int:
    """Read a whole number, which some programs write as 12.0. Raises PromptError."""
    value = parse_number(word, where)
    if not value.is_integer() or abs(value) > _MOST_FRAMES:
        raise PromptError(
            f"{where}: {what} {brief(word.strip())} is not a whole number: correct it"
        )
    return int(value)


def from_xywh(values: tuple[float, float, float, float], where: str) -> XYXY:
    """Return the corners of a box of left, top, width and height. Raises PromptError."""
    x, y, width, height = values
    if width <= 0 or height <= 0:
        raise PromptError(
            f"{where}: the box is {width:g} wide and {height:g} high; both are more than 0: "
            "remove the line or correct it"
        )
    return x, y, x + width, y + height


def first_number(numbers: Iterable[int], otherwise: int | None) -> int | None:
    """Return 0 where a frame has that number, since no other can be the first then."""
    return 0 if 0 in numbers else otherwise


def counted(number: int, one: str, more: str) -> str:
    """Write a number with its noun."""
    return f"{number} {one if number == 1 else more}"


def are_left_out(number: int, one: str, more: str) -> str:
    """Say that so many were left out."""
    return f"{counted(number, one, more)} {'is' if number == 1 else 'are'} left out"


def track_or_none(number: int) -> int | None:
    """Return a track's number; a negative one means that there is none."""
    return number if number >= 0 else None
