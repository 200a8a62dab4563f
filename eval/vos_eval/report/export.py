"""A score as JSON and as the official tools' CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vos_eval.evaluate import ObjectScore, Protocol, Score

SCHEMA = 1

_LVOS_GLOBAL = (
    "J&F-Mean",
    "J-Mean",
    "J-seen-Mean",
    "J-unseen-Mean",
    "F-Mean",
    "F-seen-Mean",
    "F-unseen-Mean",
    "V-Mean",
    "V-seen-Mean",
    "V-unseen-Mean",
)
_DAVIS_GLOBAL = {
    "J&F-Mean": "J&F",
    "J-Mean": "J",
    "J-Recall": "JR",
    "J-Decay": "JD",
    "F-Mean": "F",
    "F-Recall": "FR",
    "F-Decay": "FD",
}


def to_json(score: Score) -> dict[str, Any]:
    """The result as JSON-ready values: unrounded, 0-1, NaN as null."""
    return {
        "schema": SCHEMA,
        "protocol": str(score.protocol),
        "global": {name: number(value) for name, value in score.totals.items()},
        "objects": [_object_json(score.protocol, item) for item in score.objects],
        "problems": list(score.notes),
    }


def failure_json(protocol: Protocol, problems: Sequence[str]) -> dict[str, Any]:
    """The same shape for a run without a score."""
    return {
        "schema": SCHEMA,
        "protocol": str(protocol),
        "global": None,
        "objects": [],
        "problems": list(problems),
    }


def _object_json(protocol: Protocol, item: ObjectScore) -> dict[str, Any]:
    values: dict[str, Any] = {"video": item.video, "object_id": item.object_id}
    values |= {"J": number(item.j_mean), "F": number(item.f_mean)}
    if protocol.is_lvos:
        values |= {"V": number(item.v), "seen": item.is_seen}
    elif protocol is Protocol.DAVIS:
        values |= {
            "JR": number(item.j_recall),
            "JD": number(item.j_decay),
            "FR": number(item.f_recall),
            "FD": number(item.f_decay),
        }
    return values | {"frames": len(item.frames)}


def number(value: float) -> float | None:
    """A value for JSON: NaN as null."""
    return None if math.isnan(value) else float(value)


def write_csv(score: Score, path: Path) -> list[Path]:
    """Write the official tables.

    sav has one table, written to `path`. The others have two: the sequences go to `path`, the
    global numbers beside it with `-global` before the ending.

    Returns: the files written.
    """
    if score.protocol is Protocol.SAV:
        _write(path, sav_csv(score))
        return [path]
    global_path = path.with_name(f"{path.stem}-global{path.suffix}")
    _write(path, _sequence_csv(score))
    _write(global_path, _global_csv(score))
    return [path, global_path]


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, "utf-8", newline="")
    part.replace(path)


def sav_csv(score: Score) -> str:
    """vos-benchmark's results.csv: percent, one decimal, columns padded to one width."""
    width = max(len(name) for name in ["Global score", *(o.video for o in score.objects)])
    lines = [f"{'sequence':<{width}},obj,  J&F,    J,    F"]
    t = score.totals
    lines.append(f"{'Global score':<{width}},   ,{_percents((t['J&F'], t['J'], t['F']))}")
    lines += [
        f"{o.video:<{width}},{o.object_id:03d},"
        f"{_percents(((o.j_mean + o.f_mean) / 2, o.j_mean, o.f_mean))}"
        for o in score.objects
    ]
    return "\n".join(lines) + "\n"


def _percents(values: Iterable[float]) -> str:
    return ",".join(f"{100 * value:5.1f}" for value in values)


def _sequence_csv(score: Score) -> str:
    with_v = score.protocol.is_lvos
    rows: list[Sequence[str]] = [["Sequence", "J-Mean", "F-Mean", *(["V-Mean"] if with_v else [])]]
    for name, item in zip(row_names(score), score.objects, strict=True):
        values = [item.j_mean, item.f_mean, *([item.v] if with_v else [])]
        rows.append([name, *map(_three_decimals, values)])
    return _csv(rows)


def row_names(score: Score) -> list[str]:
    """The official row names: VIDEO_ID, for lvos VIDEO_K with K = position in the metadata."""
    if not score.protocol.is_lvos:
        return [f"{item.video}_{item.object_id}" for item in score.objects]
    names: list[str] = []
    position: dict[str, int] = {}
    for item in score.objects:
        position[item.video] = position.get(item.video, 0) + 1
        names.append(f"{item.video}_{position[item.video]}")
    return names


def _global_csv(score: Score) -> str:
    totals = score.totals
    if not score.protocol.is_lvos:
        return _csv(
            [list(_DAVIS_GLOBAL), [_three_decimals(totals[k]) for k in _DAVIS_GLOBAL.values()]]
        )
    names = ("J&F", "J", "Js", "Ju", "F", "Fs", "Fu", "V", "Vs", "Vu")
    totals = totals | score.groups
    return _csv([_LVOS_GLOBAL, [_three_decimals(totals[name]) for name in names]])


def _three_decimals(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
