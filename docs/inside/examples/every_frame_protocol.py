"""A protocol of one's own: region similarity J on every annotated frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from vos_eval.protocols.base import ObjectScore, Options, Protocol, Score, mean_over
from vos_eval.protocols.files import find_predictions, mask_names, require_folder, subfolders
from vos_eval.protocols.plan import FramePlan, Labels, Plan, SequencePlan
from vos_eval.protocols.registry import register
from vos_eval.protocols.tables import sequence_table


def plan_every_frame(gt_dir: Path, pred_dir: Path, options: Options) -> Plan:
    """Select all masks of GT/VIDEO/*.png. No pixel is read yet."""
    require_folder(gt_dir, "ground truth")
    require_folder(pred_dir, "prediction")
    plan = Plan()
    for video in subfolders(gt_dir):
        if options.only_videos is not None and video not in options.only_videos:
            continue
        names = mask_names(gt_dir / video)
        predictions = find_predictions(plan, video, pred_dir / video, names, options.missing)
        frames = tuple(
            FramePlan(name, gt_dir / video / f"{name}.png", predictions[name]) for name in names
        )
        # PRESENT: a pixel value is an object id, and the masks decide which objects there are.
        plan.sequences.append(SequencePlan(video, frames, labels=Labels.PRESENT))
    return plan


def mean_j(objects: Sequence[ObjectScore]) -> dict[str, float]:
    """Return the benchmark's numbers; the first one is its headline."""
    return {"J": mean_over(objects, "j_mean")}


def tables(score: Score) -> Mapping[str, str]:
    """Return what `--csv` writes: one table, to the file the user named."""
    named = [(f"{item.video}_{item.object_id}", item) for item in score.objects]
    return {"": sequence_table(named, ("J",))}


EVERY_FRAME = Protocol(
    name="every-frame",
    description="mean J over objects, each from its first sighting to the last frame",
    plan=plan_every_frame,
    totals=mean_j,
    columns=("J",),
    tables=tables,
)

register(EVERY_FRAME)
