"""SA-V's and vos-benchmark's rule: videos are folders, objects are what the masks show.

A folder of PNGs is one label map per frame. A folder of folders has one binary sequence per
object, named by its id.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from vos_eval.errors import EvalError
from vos_eval.protocols.files import find_predictions, mask_names, require_folder, subfolders
from vos_eval.protocols.plan import FramePlan, Labels, Missing, Plan, SequencePlan


def plan_sav(
    gt_dir: Path,
    pred_dir: Path,
    *,
    missing: Missing = Missing.ERROR,
    only_videos: Collection[str] | None = None,
) -> Plan:
    """All annotated frames of every video but the first and the last.

    Raises:
        EvalError: folders are missing or hold no video.
    """
    require_folder(gt_dir, "ground truth")
    require_folder(pred_dir, "prediction")
    videos = [v for v in subfolders(gt_dir) if only_videos is None or v in only_videos]
    if not videos:
        raise EvalError(f"{gt_dir}: no video folders; expected VIDEO/*.png or VIDEO/OBJECT/*.png")
    plan = Plan()
    for video in videos:
        objects = subfolders(gt_dir / video)
        if not objects:
            _plan_sequence(plan, video, None, gt_dir / video, pred_dir / video, missing)
            continue
        for name in objects:
            if not name.isdecimal():
                plan.problems.append(
                    f"{video}: {gt_dir / video / name} is not an object folder; its name must be "
                    "a number such as 000"
                )
                continue
            _plan_sequence(
                plan, video, name, gt_dir / video / name, pred_dir / video / name, missing
            )
    return plan


def _plan_sequence(
    plan: Plan,
    video: str,
    object_name: str | None,
    gt_folder: Path,
    pred_folder: Path,
    missing: Missing,
) -> None:
    title = video if object_name is None else f"{video} object {object_name}"
    names = mask_names(gt_folder)
    scored = names[1:-1]
    if not scored:
        plan.problems.append(
            f"{title}: {len(names)} annotated frames in {gt_folder}; at least 3 are needed, "
            "because the first and the last are not scored"
        )
        return
    predictions = find_predictions(plan, title, pred_folder, scored, missing)
    plan.sequences.append(
        SequencePlan(
            video=video,
            frames=tuple(
                FramePlan(name, gt_folder / f"{name}.png", predictions[name]) for name in scored
            ),
            labels=Labels.PRESENT if object_name is None else Labels.FOREGROUND,
            only_object=None if object_name is None else int(object_name),
        )
    )
