"""MOT Challenge: lines of `frame,id,left,top,width,height[,confidence,...]` in pixels.

Frames count from 1 there; a file with a frame 0 counts from 0. An id of -1 is none. A confidence of
0 marks a line that is not to be looked at.
"""

from __future__ import annotations

import re

from vos.errors import PromptError
from vos.prompts.detections.found import (
    Detection,
    Detections,
    are_left_out,
    first_number,
    from_xywh,
    parse_number,
    parse_whole,
    track_or_none,
)

_HEADER = re.compile(r"\s*\"?frame(_?(id|idx|index|number))?\"?\s*,", re.IGNORECASE)
_NAMES = (
    ("id", "track_id", "object_id"),
    ("x", "left", "bb_left", "bbox_left", "x_left"),
    ("y", "top", "bb_top", "bbox_top", "y_top"),
    ("w", "width", "bb_width", "bbox_width"),
    ("h", "height", "bb_height", "bbox_height"),
)


def is_mot(line: str) -> bool:
    """Tell whether a line has MOT's commas."""
    return "," in line


def read_mot(text: str, name: str) -> Detections:
    """Read a MOT file. Raises PromptError naming the line."""
    found: list[Detection] = []
    numbers: set[int] = set()
    ignored = 0
    is_first = True
    for line_number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{name}:{line_number}"
        if is_first and _HEADER.match(line):
            _check_header(line, where)
            is_first = False
            continue
        is_first = False
        cells = line.split(",")
        if len(cells) < 6:
            raise PromptError(
                f"{where}: {len(cells)} numbers; a line of MOT is "
                "frame,id,left,top,width,height and more: complete it"
            )
        number = parse_whole(cells[0], "frame", where)
        if number < 0:
            raise PromptError(f"{where}: frame {number} is negative; frames count from 0 or 1")
        numbers.add(number)
        track = track_or_none(parse_whole(cells[1], "id", where))
        x, y, width, height = (parse_number(cell, where) for cell in cells[2:6])
        if len(cells) > 6 and cells[6].strip() and parse_number(cells[6], where) == 0:
            ignored += 1
            continue
        box = from_xywh((x, y, width, height), where)
        found.append(Detection(where, number, track, box))
    first = first_number(numbers, 1)
    notes = (
        (f"{name}: {are_left_out(ignored, 'line', 'lines')}, of confidence 0",) if ignored else ()
    )
    return Detections(name, f"MOT, frames from {first}", tuple(found), first, notes=notes)


def _check_header(line: str, where: str) -> None:
    """Refuse a header that names other columns, whose numbers would be read wrongly."""
    cells = [cell.strip().strip('"').lower() for cell in line.split(",")][1:6]
    fits = len(cells) == 5 and all(a in b for a, b in zip(cells, _NAMES, strict=True))
    if not fits:
        raise PromptError(
            f"{where}: columns {','.join(cells)} behind the frame; they are "
            "id,x,y,w,h (left, top, width, height in pixels): put them in that order"
        )
