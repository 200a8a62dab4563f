"""DAVIS 2016 and 2017, semi-supervised: objects of the first annotation, all but two frames."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from vos_eval.errors import EvalError
from vos_eval.metrics import statistics
from vos_eval.png import MaskError, read_labels
from vos_eval.protocols.base import ObjectScore, Options, Protocol, Score, mean_over
from vos_eval.protocols.files import (
    find_annotations,
    find_predictions,
    mask_names,
    require_folder,
    subfolders,
)
from vos_eval.protocols.lists import find_list, is_of_2016, read_list
from vos_eval.protocols.plan import FramePlan, Labels, Missing, Plan, Quirk, SequencePlan
from vos_eval.protocols.predictions import PredictionTree
from vos_eval.protocols.published import DAVIS_2017, Rules
from vos_eval.protocols.tables import global_table, sequence_table

VOID = 255
RESOLUTION = "480p"
_GLOBAL_COLUMNS = {
    "J&F-Mean": "J&F",
    "J-Mean": "J",
    "J-Recall": "JR",
    "J-Decay": "JD",
    "F-Mean": "F",
    "F-Recall": "FR",
    "F-Decay": "FD",
}


def find_annotation_dir(root: Path) -> Path:
    """Find the folder of sequences: ROOT/Annotations/480p, ROOT/Annotations or ROOT itself.

    Raises:
        EvalError: no folder of sequences there.
    """
    require_folder(root, "ground truth")
    for folder in (root / "Annotations" / RESOLUTION, root / "Annotations", root):
        if folder.is_dir() and any(mask_names(folder / name) for name in subfolders(folder)):
            return folder
    raise EvalError(
        f"{root}: no annotations; expected Annotations/{RESOLUTION}/SEQUENCE/*.png or "
        "Annotations/SEQUENCE/*.png"
    )


def list_sequences(root: Path, split: str | None = None) -> list[str]:
    """List the sequences of ImageSets/YEAR/SPLIT.txt, or all annotated ones without lists.

    Raises:
        EvalError: the list is asked for but missing, or it is ambiguous or empty.
    """
    path, _ = find_list(root, split)
    return _annotated(root) if path is None else read_list(path)


def _annotated(root: Path) -> list[str]:
    folder = find_annotation_dir(root)
    return [name for name in subfolders(folder) if mask_names(folder / name)]


def plan_davis(root: Path, pred_dir: Path, options: Options) -> Plan:
    """Select as the official tool does: ids 1 to the highest label of the first annotation.

    Masks of 0 and 255 alone are those of 2016: one object, predicted as any single value. By a
    list of 2016 all objects are one. First and last frame are not scored.

    Raises:
        EvalError: folders or lists are missing.
    """
    gt_dir = find_annotation_dir(root)
    path, reading = find_list(root, options.split)
    names = _annotated(root) if path is None else read_list(path)
    require_folder(pred_dir, "prediction")
    plan = Plan()
    if reading is not None:
        plan.readings.append(reading)
    videos = [video for video in names if options.takes(video)]
    tree = PredictionTree(pred_dir, plan)
    tree.check_single(videos)
    merges = path is not None and is_of_2016(path)
    for video in videos:
        pred_folder = tree.folder(video, is_only=len(videos) == 1)
        _plan_sequence(plan, video, gt_dir / video, pred_folder, options.missing, merges=merges)
    if any(one.labels is Labels.MERGED for one in plan.sequences):
        plan.readings.append("by a list of 2016 all ids of a video are one object")
    return plan


def _plan_sequence(
    plan: Plan,
    video: str,
    gt_folder: Path,
    pred_folder: Path,
    missing: Missing,
    *,
    merges: bool,
) -> None:
    """Plan one video.

    merges: all its ids are one object.
    """
    names = mask_names(gt_folder)
    scored = names[1:-1]
    if not names:
        find_annotations(plan, video, gt_folder, names)
    predictions = find_predictions(plan, video, pred_folder, scored, missing)
    if not scored:
        plan.problems.append(
            f"{video}: {len(names)} annotated frames in {gt_folder}; at least 3 are needed, "
            "because the first and the last are not scored"
        )
        return
    ids = first_ids(plan, video, gt_folder / f"{names[0]}.png")
    if not ids:
        return
    if ids == [VOID]:
        labels, objects = Labels.BINARY, (1,)
    elif merges:
        labels, objects = Labels.MERGED, (1,)
    else:
        labels = Labels.IDS_STRICT
        objects = tuple(range(1, max(i for i in ids if i != VOID) + 1))
    plan.sequences.append(
        SequencePlan(
            video=video,
            frames=tuple(
                FramePlan(name, gt_folder / f"{name}.png", predictions[name], objects)
                for name in scored
            ),
            objects=objects,
            labels=labels,
            max_label=max(objects),
            gap_ids=tuple(i for i in objects if i not in ids and labels is Labels.IDS_STRICT),
        )
    )


def first_ids(plan: Plan, video: str, path: Path) -> list[int]:
    """Read the ids of a first annotation, sorted, 255 among them; none is a problem of the plan."""
    try:
        ids = [value for value in np.unique(read_labels(path)).tolist() if value]
    except MaskError as error:
        plan.problems.append(f"{video}: ground truth {path}: {error}")
        return []
    if not ids:
        plan.problems.append(f"{video}: the first annotation {path} has no object")
    return ids


def _totals(objects: Sequence[ObjectScore]) -> dict[str, float]:
    j, f = mean_over(objects, "j_mean"), mean_over(objects, "f_mean")
    return {
        "J&F": (j + f) / 2,
        "J": j,
        "JR": mean_over(objects, "j_recall"),
        "JD": mean_over(objects, "j_decay"),
        "F": f,
        "FR": mean_over(objects, "f_recall"),
        "FD": mean_over(objects, "f_decay"),
    }


def _decay(values: np.ndarray, fixes: Collection[Quirk]) -> float:
    return statistics.decay(values, wraps=Quirk.DECAY_WRAP not in fixes)


def _tables(score: Score) -> Mapping[str, str]:
    named = [(f"{item.video}_{item.object_id}", item) for item in score.objects]
    return {
        "": sequence_table(named, ("J", "F")),
        "-global": global_table(_GLOBAL_COLUMNS, score.totals),
    }


DAVIS = Protocol(
    name="davis",
    description="DAVIS semi-supervised: mean over objects; first and last frame left out",
    plan=plan_davis,
    totals=_totals,
    columns=("J&F", "J", "F", "JR", "JD", "FR", "FD"),
    tables=_tables,
    quirks=frozenset({Quirk.DECAY_WRAP}),
    decay=_decay,
    has_splits=True,
    rules=Rules.DAVIS,
    published=(DAVIS_2017,),
)
