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
    is_name,
    mask_names,
    require_folder,
    subfolders,
)
from vos_eval.protocols.plan import FramePlan, Labels, Plan, Quirk, SequencePlan
from vos_eval.protocols.published import DAVIS_2017, Rules
from vos_eval.protocols.tables import global_table, sequence_table
from vos_eval.texts import read_names

VOID = 255
RESOLUTION = "480p"
_LIST_FOLDERS = ("2017", "480p", "2016", "1080p", ".")
_LIST_FOLDERS_OF = {2016: ("2016", "480p", "1080p"), 2017: ("2017",)}
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


def find_list(root: Path, split: str | None = None, year: int | None = None) -> Path | None:
    """Find the list of sequences: that of a year, else 2017's, 2016's at 480p, or the only one.

    The download of 2016 has its lists in ImageSets/480p and ImageSets/1080p, that of 2017 in
    ImageSets/2016 and ImageSets/2017, and others have ImageSets/SPLIT.txt.

    Returns: the file; None where there is no list and none is asked for.

    Raises:
        EvalError: the list is asked for but missing, or several could be meant.
    """
    name = f"{split or 'val'}.txt"
    sets = root / "ImageSets"
    wanted = _LIST_FOLDERS if year is None else _LIST_FOLDERS_OF.get(year, (str(year),))
    for folder in wanted:
        if (sets / folder / name).is_file():
            return sets / folder / name
    others = sorted(sets.glob(f"*/{name}")) if year is None else []
    if len(others) > 1:
        raise EvalError(
            f"{root}: several lists: {', '.join(map(str, others))}; choose one with --year"
        )
    if others:
        return others[0]
    if split is None and year is None:
        return None
    there = sorted(str(path.relative_to(sets)) for path in sets.glob("**/*.txt"))
    raise EvalError(
        f"{root}: no list ImageSets/{wanted[0]}/{name}; "
        + (f"there are {', '.join(there[:8])}" if there else "there are no lists at all")
    )


def list_sequences(root: Path, split: str | None = None, year: int | None = None) -> list[str]:
    """List the sequences of `find_list`, or all annotated ones without lists.

    The lists of 2016 name images and masks of each frame; the sequence is the folder's name.

    Raises:
        EvalError: as `find_list`; or the list is empty.
    """
    path = find_list(root, split, year)
    if path is None:
        folder = find_annotation_dir(root)
        return [name for name in subfolders(folder) if mask_names(folder / name)]
    names = []
    for line in read_names(path, "list of sequences"):
        first = line.split()[0]
        name = Path(first).parent.name if "/" in first else first
        if not is_name(name):
            raise EvalError(f"{path}: {name[:60]!r} is not the name of a folder")
        names.append(name)
    return list(dict.fromkeys(names))


def plan_davis(root: Path, pred_dir: Path, options: Options) -> Plan:
    """Select as the official tool does: ids 1 to the highest label of the first annotation.

    Masks of 0 and 255 alone are those of 2016: one object, predicted as any single value. Where the
    year is 2016, all objects of a mask are that one. First and last frame are not scored.

    Raises:
        EvalError: folders or lists are missing.
    """
    gt_dir = find_annotation_dir(root)
    names = list_sequences(root, options.split, options.year)
    require_folder(pred_dir, "prediction")
    plan = Plan()
    for video in names:
        if options.only_videos is not None and video not in options.only_videos:
            continue
        _plan_sequence(plan, video, gt_dir / video, pred_dir / video, options)
    return plan


def _plan_sequence(
    plan: Plan, video: str, gt_folder: Path, pred_folder: Path, options: Options
) -> None:
    names = mask_names(gt_folder)
    scored = names[1:-1]
    if not names:
        find_annotations(plan, video, gt_folder, names)
    predictions = find_predictions(plan, video, pred_folder, scored, options.missing)
    if not scored:
        plan.problems.append(
            f"{video}: {len(names)} annotated frames in {gt_folder}; at least 3 are needed, "
            "because the first and the last are not scored"
        )
        return
    first = gt_folder / f"{names[0]}.png"
    try:
        values = np.unique(read_labels(first)).tolist()
    except MaskError as error:
        plan.problems.append(f"{video}: ground truth {first}: {error}")
        return
    ids = [value for value in values if value not in (0, VOID)]
    is_binary = not ids and VOID in values
    if not ids and not is_binary:
        plan.problems.append(f"{video}: the first annotation {first} has no object")
        return
    is_merged = options.year == 2016 and not is_binary
    objects = (1,) if is_binary or is_merged else tuple(range(1, max(ids) + 1))
    labels = Labels.BINARY if is_binary else Labels.IDS_STRICT
    plan.sequences.append(
        SequencePlan(
            video=video,
            frames=tuple(
                FramePlan(name, gt_folder / f"{name}.png", predictions[name], objects)
                for name in scored
            ),
            objects=objects,
            labels=Labels.MERGED if is_merged else labels,
            max_label=max(objects),
        )
    )


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
