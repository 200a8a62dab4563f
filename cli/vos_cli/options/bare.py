"""Options with an optional value: `--box` alone opens the picker, `--box 1,2,3,4` is a box.

The word after such an option is its value if it could be one; a file's name or another option never
is. `--box=` is an empty value, which is an error, not a bare option.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from typer.core import TyperCommand

from vos.io.paths import is_there

TOOLS = {"--box": "box", "--point": "point", "--polygon": "polygon", "--scribble": "scribble"}
"""The options that may be bare, each with the tool the picker then starts with."""

BARE = "\0"
"""Stands for the missing value; no word of a command line can hold it."""

_NUMBERS = re.compile(r"[\s\d.,:@+eE-]*", re.ASCII)
_STARTS_NEGATIVE = re.compile(r"-[\d.]", re.ASCII)


class BareOptionsCommand(TyperCommand):
    """A command whose options named in `TOOLS` may stand alone."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, mark_bare(args))


def mark_bare(words: Sequence[str]) -> list[str]:
    """Return a command line's words, with `BARE` as the value of options that have none."""
    marked: list[str] = []
    for position, word in enumerate(words):
        if word == "--":
            return [*marked, *words[position:]]
        marked.append(word)
        if word in TOOLS and not any(map(_is_value, words[position + 1 : position + 2])):
            marked.append(BARE)
    return marked


def take_bare(values: Mapping[str, Sequence[str]]) -> tuple[dict[str, tuple[str, ...]], str | None]:
    """Return the options' values without marks, and the picker's tool if one was bare.

    values: by the tool's name.
    """
    kept = {name: tuple(v for v in given if v != BARE) for name, given in values.items()}
    return kept, next((name for name, given in values.items() if BARE in given), None)


def _is_value(word: str) -> bool:
    if word.startswith("-"):
        return _STARTS_NEGATIVE.match(word) is not None
    if not word:
        return True  # an empty shell variable must not open a page
    if _NUMBERS.fullmatch(word) or "," in word:
        return not is_there(Path(word))
    return False
