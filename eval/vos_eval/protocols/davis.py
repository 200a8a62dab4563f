"""DAVIS 2016 and 2017, semi-supervised: objects of the first annotation, all but two frames."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from vos_eval.errors import EvalError
from vos_eval.png import MaskError, read_labels
from vos_eval.protocols.files import (
    find_annotations,
    find_predictions,
    mask_names,
    require_folder,
    subfolders,
)
from vos_eval.protocols.plan import FramePlan, Labels, Missing, Plan, SequencePlan

VOID = 255
RESOLUTION = "480p"


def annotation_dir(root: Path) -> Path:
    """The folder of sequences: ROOT/Annotations/480p, ROOT/Annotations or ROOT itself.

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


def sequence_names(root: Path, split: str | None = None) -> list[str]:
    """Sequences of a split list (ImageSets/YEAR/SPLIT.txt), or all annotated ones without lists.

    The lists of 2016 name pictures and masks of each frame; the sequence is the folder's name.

    Raises:
        EvalError: the list is asked for but missing, ambiguous or empty.
    """
    lists = sorted((root / "ImageSets").glob(f"*/{split or 'val'}.txt"))
    preferred = [path for path in lists if path.parent.name == "2017"] or lists
    if not preferred:
        if split is not None:
            raise EvalError(f"{root}: no list ImageSets/2017/{split}.txt")
        folder = annotation_dir(root)
        return [name for name in subfolders(folder) if mask_names(folder / name)]
    if len(preferred) > 1:
        raise EvalError(f"{root}: several lists: {', '.join(map(str, preferred))}; keep one")
    names = []
    for line in preferred[0].read_text("utf-8").splitlines():
        if line.strip():
            first = line.split()[0]
            names.append(Path(first).parent.name if "/" in first else first)
    if not names:
        raise EvalError(f"{preferred[0]}: the list is empty")
    return list(dict.fromkeys(names))


def plan_davis(
    root: Path,
    pred_dir: Path,
    *,
    split: str | None = None,
    missing: Missing = Missing.ERROR,
    only_videos: Collection[str] | None = None,
) -> Plan:
    """The official selection: ids 1 to the highest label of the first annotation.

    Masks of 0 and 255 alone are those of 2016: one object, predicted as any single value.
    First and last frame are not scored.

    Raises:
        EvalError: folders or lists are missing.
    """
    gt_dir = annotation_dir(root)
    names = sequence_names(root, split)
    require_folder(pred_dir, "prediction")
    plan = Plan()
    for video in names:
        if only_videos is not None and video not in only_videos:
            continue
        _plan_sequence(plan, video, gt_dir / video, pred_dir / video, missing)
    return plan


def _plan_sequence(
    plan: Plan, video: str, gt_folder: Path, pred_folder: Path, missing: Missing
) -> None:
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
    objects = (1,) if is_binary else tuple(range(1, max(ids) + 1))
    plan.sequences.append(
        SequencePlan(
            video=video,
            frames=tuple(
                FramePlan(name, gt_folder / f"{name}.png", predictions[name], objects)
                for name in scored
            ),
            objects=objects,
            labels=Labels.BINARY if is_binary else Labels.IDS_STRICT,
            max_label=max(objects),
        )
    )
