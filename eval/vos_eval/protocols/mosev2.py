"""MOSEv2: J, F-dot with a tolerance by the object's size, and frames of absence and return.

On frames where an object is absent, having been there before, J&Fdot_d says whether that was
noticed; J&Fdot_r whether the object was found again when it came back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from vos_eval.errors import EvalError
from vos_eval.metrics import statistics
from vos_eval.protocols.base import ObjectScore, Options, Protocol, Score
from vos_eval.protocols.davis import VOID, find_annotation_dir, first_ids
from vos_eval.protocols.files import (
    find_predictions,
    is_name,
    mask_names,
    require_folder,
    subfolders,
)
from vos_eval.protocols.plan import FramePlan, Labels, Measure, Plan, SequencePlan
from vos_eval.protocols.predictions import PredictionTree
from vos_eval.protocols.tables import to_csv
from vos_eval.texts import read_json

META_NAMES = ("meta.json", "meta_valid.json", "valid_meta.json")
OFFICIAL = {
    "J&F_new": "J&Fdot",
    "J": "J",
    "F_new": "Fdot",
    "disappear_J&F_new": "J&Fdot_d",
    "reappear_J&F_new": "J&Fdot_r",
    "F": "F",
    "J&F": "J&F",
}
"""Name in the official tool -> ours."""


def load_objects(path: Path) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Read the number of frames and the object ids of each video.

    Raises:
        EvalError: not such a file; every bad entry is named.
    """
    content: Any = read_json(path, "metadata")
    videos = content.get("videos") if isinstance(content, dict) else None
    if not isinstance(videos, dict) or not videos:
        raise EvalError(f'{path}: no videos; expected {{"videos": {{NAME: {{"objects": ...}}}}}}')
    found: dict[str, tuple[int, tuple[int, ...]]] = {}
    problems = []
    for video, entry in videos.items():
        try:
            ids = tuple(int(key) for key in entry["objects"])
            if not is_name(video) or not ids or not all(1 <= i <= 255 for i in ids):
                raise ValueError("an object id is 1-255, and a video has at least one")
            found[video] = int(entry["length"]), ids
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problems.append(
                f"{path}: video {video[:60]!r}: expected a length and objects with ids ({error})"
            )
    if problems:
        raise EvalError(problems)
    return found


def plan_mosev2(root: Path, pred_dir: Path, options: Options) -> Plan:
    """Select the metadata's objects on all frames of the truth but the first and the last.

    Without metadata the objects are those of the first annotation, and that is said.

    Raises:
        EvalError: folders are missing, or the metadata is no such file.
    """
    gt_dir = find_annotation_dir(root)
    require_folder(pred_dir, "prediction")
    plan = Plan()
    meta = _find_meta(root, gt_dir, plan)
    videos = [name for name in subfolders(gt_dir) if mask_names(gt_dir / name)]
    videos = [video for video in videos if options.takes(video)]
    tree = PredictionTree(pred_dir, plan)
    tree.check_single(videos)
    for video in videos:
        folder = tree.folder(video, is_only=len(videos) == 1)
        _plan_sequence(plan, video, gt_dir / video, folder, options, meta)
    return plan


def _find_meta(
    root: Path, gt_dir: Path, plan: Plan
) -> dict[str, tuple[int, tuple[int, ...]]] | None:
    for folder in dict.fromkeys((root, gt_dir.parent, gt_dir.parent.parent)):
        for name in META_NAMES:
            if (folder / name).is_file():
                return load_objects(folder / name)
    plan.readings.append(
        f"{root}: no {META_NAMES[0]}; the objects are those of each first annotation"
    )
    return None


def _plan_sequence(
    plan: Plan,
    video: str,
    gt_folder: Path,
    pred_folder: Path,
    options: Options,
    meta: Mapping[str, tuple[int, tuple[int, ...]]] | None,
) -> None:
    names = mask_names(gt_folder)
    scored = names[1:-1]
    predictions = find_predictions(plan, video, pred_folder, scored, options.missing)
    if not scored:
        plan.problems.append(
            f"{video}: {len(names)} annotated frames in {gt_folder}; at least 3 are needed, "
            "because the first and the last are not scored"
        )
        return
    if meta is None:
        objects = tuple(
            i for i in first_ids(plan, video, gt_folder / f"{names[0]}.png") if i != VOID
        )
    elif video not in meta:
        plan.problems.append(f"{video}: not in the metadata")
        return
    else:
        length, objects = meta[video]
        if length != len(names):
            plan.problems.append(
                f"{video}: the metadata says {length} frames; {gt_folder} has {len(names)} masks"
            )
            return
    if not objects:
        return
    plan.sequences.append(
        SequencePlan(
            video=video,
            frames=tuple(
                FramePlan(name, gt_folder / f"{name}.png", predictions[name], objects)
                for name in scored
            ),
            objects=objects,
            labels=Labels.IDS,
            max_label=max(objects),
            measure=Measure.MOSEV2,
        )
    )


def segments(is_there: np.ndarray) -> tuple[list[slice], list[slice]]:
    """Return the stretches in which an object is gone, and those after it has come back.

    A stretch of absence at the very beginning is no disappearance, but its end is a return.

    is_there: bool, of each scored frame.
    """
    gone, back = [], []
    for start, end, there in _stretches(is_there):
        if start and not there:
            gone.append(slice(start, end))
        elif start:
            back.append(slice(start, end))
    return gone, back


def _stretches(is_there: np.ndarray) -> Iterator[tuple[int, int, bool]]:
    start = 0
    for there, group in groupby(is_there.tolist()):
        end = start + len(list(group))
        yield start, end, there
        start = end


def _own(item: ObjectScore) -> dict[str, float]:
    f = statistics.mean(item.f_fixed)
    numbers = {
        "J&Fdot": (item.j_mean + item.f_mean) / 2,
        "J": item.j_mean,
        "Fdot": item.f_mean,
        "F": f,
        "J&F": (item.j_mean + f) / 2,
    }
    for ending, stretches in zip(("_d", "_r"), segments(item.gt_share > 0), strict=True):
        j = statistics.mean([statistics.mean(item.j[one]) for one in stretches])
        f_dot = statistics.mean([statistics.mean(item.f[one]) for one in stretches])
        numbers |= {
            f"J&Fdot{ending}": (j + f_dot) / 2,
            f"J{ending}": j,
            f"Fdot{ending}": f_dot,
        }
    return numbers


def _totals(objects: Sequence[ObjectScore]) -> dict[str, float]:
    mean = {
        name: _mean_of_those_with(objects, name)
        for name in ("J", "Fdot", "F", "J_d", "Fdot_d", "J_r", "Fdot_r")
    }
    return {
        "J&Fdot": (mean["J"] + mean["Fdot"]) / 2,
        "J": mean["J"],
        "Fdot": mean["Fdot"],
        "J&Fdot_d": (mean["J_d"] + mean["Fdot_d"]) / 2,
        "J&Fdot_r": (mean["J_r"] + mean["Fdot_r"]) / 2,
        "F": mean["F"],
        "J&F": (mean["J"] + mean["F"]) / 2,
    }


def _mean_of_those_with(objects: Sequence[ObjectScore], name: str) -> float:
    values = np.array([item.own[name] for item in objects], float)
    return statistics.mean(values[~np.isnan(values)])


def _tables(score: Score) -> Mapping[str, str]:
    rows: list[Sequence[str]] = [["Video", *OFFICIAL]]
    rows += [
        [f"{item.video}_{item.object_id}", *(_percent(item.own, name) for name in OFFICIAL)]
        for item in score.objects
    ]
    total = [_percent(score.totals, name) for name in OFFICIAL]
    return {"": to_csv(rows), "-global": to_csv([list(OFFICIAL), total])}


def _percent(numbers: Mapping[str, float], official: str) -> str:
    value = numbers[OFFICIAL[official]]
    return "" if np.isnan(value) else f"{100 * value:.2f}"


MOSEV2 = Protocol(
    name="mosev2",
    description="MOSEv2: mean over objects; the contour's tolerance depends on the object's size",
    plan=plan_mosev2,
    totals=_totals,
    own=_own,
    columns=("J&Fdot", "J", "Fdot", "J&Fdot_d", "J&Fdot_r", "F", "J&F"),
    tables=_tables,
)
