"""Attributes of objects: what a file says, and what their ground truth shows by itself."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vos_eval.errors import EvalError
from vos_eval.protocols.base import ObjectScore
from vos_eval.texts import read_json, read_text

SMALL_SHARE, LARGE_SHARE = 0.01, 0.1
_YES, _NO = ("1", "true", "yes", "x"), ("0", "false", "no", "")
_SHAPE = (
    "expected a header video,attribute or video,object,attribute with one attribute a line, or "
    "video,NAME,NAME,... with 1 and 0 below"
)

Key = tuple[str, int | None]
"""A video and an object id; no id means all its objects."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attributes by object.

    names: all there are, in the order of the file.
    of: video and object -> its attributes.
    """

    names: tuple[str, ...]
    of: Mapping[Key, frozenset[str]]

    def has(self, item: ObjectScore, name: str) -> bool:
        """Tell whether an object, or its whole video, has an attribute."""
        return any(
            name in self.of.get(key, ())
            for key in ((item.video, None), (item.video, item.object_id))
        )

    def unknown_videos(self, objects: Iterable[ObjectScore]) -> list[str]:
        """List the videos that the file names and nobody scores."""
        known = {item.video for item in objects}
        return sorted({video for video, _ in self.of} - known)


def read_attributes(path: Path) -> Attributes:
    """Read attributes from JSON or CSV.

    JSON: {"VIDEO": ["NAME", ...]} or {"VIDEO": {"OBJECT": ["NAME", ...]}}. CSV: a line per
    attribute, or a column per attribute with 1 and 0.

    Raises:
        EvalError: neither of the two; the line or the video is named.
    """
    if path.suffix.lower() == ".json":
        pairs = _pairs_of_json(path)
    else:
        pairs = _pairs_of_csv(path)
    of: dict[Key, set[str]] = {}
    for key, name in pairs:
        of.setdefault(key, set()).add(name)
    if not of:
        raise EvalError(f"{path}: no attribute of any video")
    names = tuple(dict.fromkeys(name for _, name in pairs))
    return Attributes(names, {key: frozenset(found) for key, found in of.items()})


def _pairs_of_json(path: Path) -> list[tuple[Key, str]]:
    content: Any = read_json(path, "attributes")
    if not isinstance(content, dict):
        raise EvalError(f'{path}: expected {{"VIDEO": ["ATTRIBUTE", ...]}}')
    pairs: list[tuple[Key, str]] = []
    for video, entry in content.items():
        parts = entry.items() if isinstance(entry, dict) else [(None, entry)]
        for object_id, names in parts:
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise EvalError(f"{path}: video {video[:60]!r}: expected a list of names")
            key = video, None if object_id is None else _object_id(path, object_id)
            pairs += [(key, " ".join(name.split())) for name in names]
    return pairs


def _pairs_of_csv(path: Path) -> list[tuple[Key, str]]:
    rows = _rows(path)
    if len(rows) < 2 or rows[0][1][0].lower() != "video":
        raise EvalError(f"{path}: {_SHAPE}")
    head = rows[0][1]
    has_object = len(head) > 1 and head[1].lower() == "object"
    names = head[2:] if has_object else head[1:]
    is_list = [name.lower() for name in names] == ["attribute"]
    pairs: list[tuple[Key, str]] = []
    for number, row in rows[1:]:
        if len(row) != len(head):
            raise EvalError(f"{path}: line {number} has {len(row)} cells, the header {len(head)}")
        key = row[0], _object_id(path, row[1]) if has_object else None
        cells = row[2:] if has_object else row[1:]
        if is_list:
            pairs.append((key, cells[0]))
            continue
        for name, cell in zip(names, cells, strict=True):
            if cell.lower() not in (*_YES, *_NO):
                raise EvalError(f"{path}: line {number}, {name}: {cell[:40]!r} is neither 1 nor 0")
            if cell.lower() in _YES:
                pairs.append((key, name))
    return pairs


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Read the lines that hold something: their numbers, and their cells in one line each."""
    reader = csv.reader(io.StringIO(read_text(path, "attributes")))
    try:
        rows = [(reader.line_num, [" ".join(cell.split()) for cell in row]) for row in reader]
    except csv.Error as error:
        raise EvalError(f"{path}: line {reader.line_num}: not readable as CSV ({error})") from error
    return [(number, row) for number, row in rows if any(row)]


def _object_id(path: Path, text: str) -> int:
    if not text.isdecimal() or len(text) > 3:
        raise EvalError(f"{path}: object {text[:40]!r} is not an id")
    return int(text)


def derive_attributes(objects: Sequence[ObjectScore]) -> Attributes:
    """Find out from the scored ground truth what is easy or hard about each object.

    Small is under 1 % of the image where it is there, large over 10 %.
    """
    per_video: dict[str, int] = {}
    for item in objects:
        per_video[item.video] = per_video.get(item.video, 0) + 1
    of: dict[Key, frozenset[str]] = {}
    for item in objects:
        there = item.gt_share > 0
        share = float(np.mean(item.gt_share[there])) if there.any() else 0.0
        size = "small" if share < SMALL_SHARE else "large" if share > LARGE_SHARE else "medium"
        names = {size, "one object" if per_video[item.video] == 1 else "several objects"}
        changes = np.diff(there.astype(np.int8))
        if (changes < 0).any():
            names.add("disappears")
        if (changes > 0).any():
            names.add("returns")
        if there.all():
            names.add("always there")
        of[item.video, item.object_id] = frozenset(names)
    order = (
        "small", "medium", "large", "one object", "several objects", "always there", "disappears",
        "returns",
    )  # fmt: skip
    return Attributes(tuple(n for n in order if any(n in found for found in of.values())), of)
