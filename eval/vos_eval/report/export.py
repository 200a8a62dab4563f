"""A score as JSON and as the official tools' CSV."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vos_eval.protocols.base import ObjectScore, Protocol, Score

SCHEMA = 1


def to_json(score: Score) -> dict[str, Any]:
    """Return the result as JSON-ready values: unrounded, 0-1, NaN as null."""
    return {
        "schema": SCHEMA,
        "protocol": score.protocol.name,
        "global": {name: number(value) for name, value in score.totals.items()},
        "objects": [_object_json(score.protocol, item) for item in score.objects],
        "problems": list(score.notes),
    }


def failure_json(protocol: Protocol, problems: Sequence[str]) -> dict[str, Any]:
    """Return the same shape for a run without a score."""
    return {
        "schema": SCHEMA,
        "protocol": protocol.name,
        "global": None,
        "objects": [],
        "problems": list(problems),
    }


def _object_json(protocol: Protocol, item: ObjectScore) -> dict[str, Any]:
    numbers = item.numbers()
    values: dict[str, Any] = {"video": item.video, "object_id": item.object_id}
    for column in protocol.columns:
        if column == "seen":
            values[column] = item.is_seen
        elif column != "J&F":  # the mean of two columns beside it
            values[column] = number(numbers[column])
    return values | {"frames": len(item.frames)}


def number(value: float) -> float | None:
    """Return a value for JSON: NaN as null."""
    return None if math.isnan(value) else float(value)


def write_csv(score: Score, path: Path) -> list[Path]:
    """Write the official tool's tables: the first to `path`, others beside it.

    The global numbers of lvos and davis, for example, go to a file with `-global` before the
    ending.

    Returns: the files written.
    """
    written = []
    for stem_ending, text in score.protocol.tables(score).items():
        table = path.with_name(f"{path.stem}{stem_ending}{path.suffix}")
        _write(table, text)
        written.append(table)
    return written


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)  # a link there would be written through
    part.write_text(text, "utf-8", newline="")
    part.replace(path)
