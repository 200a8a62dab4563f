"""YOLO: a text per frame, lines of `class x y width height [confidence] [track]`.

x and y are the box's centre, and all four are fractions of the frame. The number of a frame is the
last one in its file's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from vos.errors import PromptError
from vos.prompts.detections.found import (
    Detection,
    Detections,
    first_number,
    parse_number,
    parse_whole,
    track_or_none,
)

_STEM = re.compile(r"(?P<before>.*?)(?P<number>\d{1,9})", re.ASCII | re.DOTALL)
_ROUNDING = 1e-3


def read_yolo(files: Iterable[tuple[str, str]], name: str) -> Detections:
    """Read the texts of some frames, given as pairs of a file's name and its text.

    Raises PromptError naming the file and the line.
    """
    rows: list[tuple[str, int, list[str]]] = []
    before: dict[str, str] = {}
    numbers: dict[int, str] = {}
    is_numbered = True
    for file, text in files:
        stem = _STEM.fullmatch(Path(file).stem)
        is_numbered = is_numbered and stem is not None
        number = 0 if stem is None else int(stem["number"])
        before.setdefault("" if stem is None else stem["before"], file)
        if number in numbers:
            raise PromptError(
                f"{name}: {numbers[number]} and {file} are both of frame {number}; there is one "
                "text per frame, whose name ends in its number: rename or remove one"
            )
        numbers[number] = file
        for line_number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                rows.append((f"{file}:{line_number}", number, line.split()))
    if len(before) > 1:
        one, other = list(before.values())[:2]
        raise PromptError(
            f"{name}: {one} and {other} are of two videos, by their names; give a folder with "
            "the texts of one"
        )
    counts = _count_columns(rows)
    found = [_read(row, counts) for row in rows]
    first = 0 if not is_numbered else first_number(numbers, None)
    tracked = ", with tracks" if counts.track else ""
    return Detections(
        name, f"YOLO, fractions of the frame{tracked}", tuple(found), first, is_normalised=True
    )


class _Columns:
    """Which column holds the track; None for none."""

    def __init__(self, count: int, track: int | None) -> None:
        self.count, self.track = count, track


def _count_columns(rows: list[tuple[str, int, list[str]]]) -> _Columns:
    """Tell what the columns behind the box mean. Raises PromptError where they could be two."""
    widths = {len(words): where for where, _, words in rows}
    for width, where in widths.items():
        if not 5 <= width <= 7:
            outline = "; an outline has a box, which is asked for here" if width > 7 else ""
            raise PromptError(
                f"{where}: {width} numbers; a line of YOLO is class x y width height, perhaps with "
                f"confidence and track{outline}: correct it"
            )
    if len(widths) > 1:
        (few, one), (many, other) = sorted(widths.items())[:2]
        raise PromptError(
            f"{one}: {few} numbers, {other}: {many}; which are confidences and which tracks is "
            "not plain: write the same columns on every line"
        )
    width = next(iter(widths), 5)
    if width != 6:
        return _Columns(width, 6 if width == 7 else None)
    values = [(where, parse_number(words[5], where)) for where, _, words in rows]
    if not all(value.is_integer() for _, value in values):
        return _Columns(6, None)
    if all(value in (0, 1) for _, value in values):
        raise PromptError(
            f"{values[0][0]}: the sixth number is 0 or 1 on every line, a confidence or a track; "
            "write both, or neither"
        )
    return _Columns(6, 5)


def _read(row: tuple[str, int, list[str]], columns: _Columns) -> Detection:
    where, number, words = row
    parse_whole(words[0], "class", where)
    x, y, width, height = (parse_number(word, where) for word in words[1:5])
    if any(not -_ROUNDING <= value <= 1 + _ROUNDING for value in (x, y, width, height)):
        raise PromptError(
            f"{where}: {' '.join(words[1:5])} are not fractions; YOLO's x, y, width and height "
            "lie between 0 and 1: divide them by the frame's width and height"
        )
    if width <= 0 or height <= 0:
        raise PromptError(f"{where}: a box without area: remove the line")
    track = None
    if columns.track is not None:
        track = track_or_none(parse_whole(words[columns.track], "track", where))
    box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return Detection(where, number, track, box)
