"""Prompts: what shows an object on a frame, or says that it is absent. Import from here.

`kinds` has the six kinds, `collect` the rules that join them, `absence` who is absent where,
`geometry` how outlines and strokes become masks and points, `file` the JSON file, `masks` the PNGs,
`text` the forms of the command line.
"""

from __future__ import annotations

from vos.prompts.collect import (
    Direction,
    check_frame_range,
    check_prompts,
    collect,
    find_notes,
)
from vos.prompts.file import load_prompts, prompts_text, save_prompts
from vos.prompts.kinds import (
    Absent,
    Box,
    MaskPrompt,
    ObjectPrompt,
    Points,
    Polygon,
    Prompt,
    Scribble,
)
from vos.prompts.text import (
    parse_absent,
    parse_box,
    parse_mask,
    parse_point,
    parse_polygon,
    parse_scribble,
)

__all__ = [
    "Absent",
    "Box",
    "Direction",
    "MaskPrompt",
    "ObjectPrompt",
    "Points",
    "Polygon",
    "Prompt",
    "Scribble",
    "check_frame_range",
    "check_prompts",
    "collect",
    "find_notes",
    "load_prompts",
    "parse_absent",
    "parse_box",
    "parse_mask",
    "parse_point",
    "parse_polygon",
    "parse_scribble",
    "prompts_text",
    "save_prompts",
]
