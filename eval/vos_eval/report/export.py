"""A score as JSON and as the official tools' CSV."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vos_eval.compare.bootstrap import Interval
from vos_eval.compare.comparison import Comparison
from vos_eval.errors import EvalError
from vos_eval.protocols.base import ObjectScore, Protocol, Score

SCHEMA = 1


def to_json(score: Score) -> dict[str, Any]:
    """Return the result as JSON-ready values: unrounded, 0-1, NaN as null."""
    return {
        "schema": SCHEMA,
        "protocol": score.protocol.name,
        **_scores_json(score),
        "problems": list(score.notes),
    }


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return all scores, intervals and differences as JSON-ready values.

    One prediction has the shape of `to_json`, with more keys; several are under "predictions".
    """
    names = list(comparison.scores)
    content: dict[str, Any] = {"schema": SCHEMA, "protocol": comparison.protocol.name}
    if len(names) == 1:
        content |= _scores_json(comparison.first) | _intervals_json(comparison, names[0])
    else:
        content["predictions"] = [
            {"name": name, **_scores_json(score), **_intervals_json(comparison, name)}
            for name, score in comparison.scores.items()
        ]
        content["differences"] = [
            {
                "of": name,
                "minus": names[0],
                "global": {
                    column: {"value": number(one.value), "interval": _ends(one.interval)}
                    for column, one in numbers.items()
                },
            }
            for name, numbers in comparison.differences.items()
        ]
    content["attributes"] = [
        {
            "name": row.name,
            "objects": row.objects,
            "means": {
                name: {column: number(value) for column, value in numbers.items()}
                for name, numbers in row.numbers.items()
            },
        }
        for row in comparison.attributes
    ]
    content["left_out"] = list(comparison.left_out)
    content["readings"] = list(comparison.readings)
    content["problems"] = list(comparison.notes)
    return content


def _scores_json(score: Score) -> dict[str, Any]:
    return {
        "global": {name: number(value) for name, value in score.totals.items()},
        "objects": [_object_json(score.protocol, item) for item in score.objects],
    }


def _intervals_json(comparison: Comparison, name: str) -> dict[str, Any]:
    found = comparison.intervals.get(name)
    if found is None:
        return {}
    return {"intervals": {column: _ends(one) for column, one in found.items()}}


def _ends(interval: Interval) -> list[float | None]:
    return [number(interval.low), number(interval.high)]


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
        write_text(text, table)
        written.append(table)
    return written


def write_text(text: str, path: Path, *, errors: str = "strict") -> None:
    """Write a file in one go: under another name first, so that no half of it looks whole.

    errors: what becomes of half characters, as in `str.encode`.

    Raises:
        EvalError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(text, path, errors)
    except OSError as error:
        raise EvalError(f"{path}: cannot be written ({error.strerror or error})") from error


def _replace(text: str, path: Path, errors: str) -> None:
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)  # a link there would be written through
    part.write_text(text, "utf-8", errors, newline="")
    part.replace(path)
