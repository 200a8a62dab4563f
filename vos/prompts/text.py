"""Prompts as the command line writes them: `[ID:]values[@FRAME]`. The id is 1, the frame 0.

An absence is `ID@FRAME[..FRAME]`, where nothing may be left out.
"""

from __future__ import annotations

import re
from pathlib import Path

from vos.errors import Parameter, PromptError
from vos.prompts.kinds import XY, Absent, Box, MaskPrompt, Points, Polygon, Scribble
from vos.prompts.masks import mask_prompts_from_png

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_VALUES = re.compile(r"(?:(?P<id>[^:@]*):)?(?P<values>[^:@]*)(?:@(?P<frame>[^:@]*))?")
_ABSENCE = re.compile(
    r"(?P<id>\d{1,18})@(?P<first>\d{1,18})(?P<range>\.\.(?P<last>\d{1,18})?)?", re.ASCII
)
_FILE = re.compile(
    r"(?:(?P<id>\d{1,3}):)?(?P<file>.+?)(?:@(?P<frame>-?\d+))?", re.ASCII | re.DOTALL
)


def parse_box(text: str) -> Box:
    """Read a box, `[ID:]x1,y1,x2,y2[@FRAME]`. Raises PromptError."""
    parameter = Parameter("box")
    object_id, values, frame_idx = _split(text, parameter, "[ID:]x1,y1,x2,y2[@FRAME]")
    if len(values) != 4:
        raise PromptError(
            parameter,
            f" {text!r} has {len(values)} numbers; it is [ID:]x1,y1,x2,y2[@FRAME]: "
            "give four, for example 100,50,400,300",
        )
    return Box(object_id, (values[0], values[1], values[2], values[3]), frame_idx)


def parse_point(text: str, *, positive: bool = True) -> Points:
    """Read a point, `[ID:]x,y[@FRAME]`, on the object unless `positive` is false. Raises
    PromptError.
    """
    parameter = Parameter("point") if positive else Parameter("neg_point")
    object_id, values, frame_idx = _split(text, parameter, "[ID:]x,y[@FRAME]")
    if len(values) != 2:
        raise PromptError(
            parameter,
            f" {text!r} has {len(values)} numbers; it is [ID:]x,y[@FRAME]: give two, and repeat ",
            parameter,
            " for more points",
        )
    return Points(object_id, ((values[0], values[1]),), (int(positive),), frame_idx)


def parse_polygon(text: str) -> Polygon:
    """Read a polygon, `[ID:]x,y,x,y,...[@FRAME]`, of three vertices or more. Raises PromptError."""
    parameter = Parameter("polygon")
    object_id, values, frame_idx = _split(text, parameter, "[ID:]x,y,x,y,...[@FRAME]")
    return Polygon(object_id, _pair(values, parameter, text), frame_idx)


def parse_scribble(text: str) -> Scribble:
    """Read a stroke over the object, `[ID:]x,y,x,y,...[@FRAME]`. Raises PromptError."""
    parameter = Parameter("scribble")
    object_id, values, frame_idx = _split(text, parameter, "[ID:]x,y,x,y,...[@FRAME]")
    return Scribble(object_id, _pair(values, parameter, text), True, frame_idx)


def parse_mask(text: str) -> list[MaskPrompt]:
    """Read a mask, `[ID:]FILE.png[@FRAME]`: one prompt per object in the file, or that of ID.

    File names may hold ':' and '@'. One to three digits before the first ':' are an id, digits
    after the last '@' a frame; for a file that is really called so, give both.

    Raises PromptError.
    """
    parts = _FILE.fullmatch(text)
    if parts is None:
        raise PromptError(Parameter("mask"), " is empty; it is [ID:]FILE.png[@FRAME]: name a file")
    object_id = None if parts["id"] is None else int(parts["id"])
    return mask_prompts_from_png(Path(parts["file"]), object_id, int(parts["frame"] or 0))


def parse_absent(text: str) -> Absent:
    """Read an absence: `ID@FRAME`, `ID@FRAME..FRAME`, or `ID@FRAME..` until the next prompt.

    Raises PromptError.
    """
    parts = _ABSENCE.fullmatch(text.strip())
    if parts is None:
        raise PromptError(
            Parameter("absent"),
            f" {text!r} is not ID@FRAME[..FRAME]: give 2@100 for one frame, 2@100..200 for all of "
            "these, or 2@100.. until the object is prompted again",
        )
    last = parts["last"]
    end = "end" if parts["range"] else None
    return Absent(int(parts["id"]), int(parts["first"]), end if last is None else int(last))


def _split(text: str, name: Parameter, form: str) -> tuple[int, list[float], int]:
    parts = _VALUES.fullmatch(text)
    if parts is None:
        raise PromptError(name, f" {text!r} has ':' or '@' out of place; it is {form}: correct it")
    object_id = 1 if parts["id"] is None else _whole(parts["id"], "id", name, text, form)
    frame_idx = 0 if parts["frame"] is None else _whole(parts["frame"], "frame", name, text, form)
    values = []
    for word in parts["values"].split(","):
        if not _NUMBER.fullmatch(word.strip()):
            raise PromptError(
                name, f" {text!r}: {word.strip()!r} is not a number; it is {form}: correct it"
            )
        values.append(float(word))
    return object_id, values, frame_idx


def _whole(word: str, what: str, name: Parameter, text: str, form: str) -> int:
    if not re.fullmatch(r"[+-]?\d{1,18}", word.strip(), re.ASCII):
        raise PromptError(
            name,
            f" {text!r}: {what} {word.strip()!r} is not a whole number; it is {form}: correct it",
        )
    return int(word)


def _pair(values: list[float], name: Parameter, text: str) -> tuple[XY, ...]:
    if len(values) % 2:
        raise PromptError(
            name,
            f" {text!r} has {len(values)} numbers, an odd count; it is x,y,x,y,...: "
            "complete the last pair",
        )
    return tuple(zip(values[::2], values[1::2], strict=True))
