"""Prompts: what the user says about objects, on any frame, in any of five forms.

The kinds are in `prompt_types`, the rules in `prompt_collect`, the JSON file in `prompt_file`,
the forms of the command line in `prompt_args`; this module is the one to import from.
"""

from __future__ import annotations

from vos.prompts.collect import Direction, check_frame_range, collect
from vos.prompts.file import load_prompts, prompts_text, save_prompts
from vos.prompts.kinds import Box, MaskPrompt, ObjectPrompt, Points, Polygon, Prompt, Scribble
from vos.prompts.text import parse_box, parse_mask, parse_point, parse_polygon, parse_scribble

__all__ = [
    "Box",
    "Direction",
    "MaskPrompt",
    "ObjectPrompt",
    "Points",
    "Polygon",
    "Prompt",
    "Scribble",
    "check_frame_range",
    "collect",
    "load_prompts",
    "parse_box",
    "parse_mask",
    "parse_point",
    "parse_polygon",
    "parse_scribble",
    "prompts_text",
    "save_prompts",
]
