"""SA-V's and vos-benchmark's rule: videos are folders, objects are what the masks show.

A folder of PNGs is one label map per frame. A folder of folders has one binary sequence per
object, named by its id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from vos_eval.errors import EvalError
from vos_eval.protocols.base import ObjectScore, Options, Protocol, Score, mean_over
from vos_eval.protocols.files import find_predictions, mask_names, require_folder, subfolders
from vos_eval.protocols.plan import FramePlan, Labels, Missing, Plan, SequencePlan
from vos_eval.protocols.published import LVOS_V2, SA_V, Rules


def plan_sav(gt_dir: Path, pred_dir: Path, options: Options) -> Plan:
    """Select all annotated frames of every video but the first and the last.

    Raises:
        EvalError: folders are missing or hold no video.
    """
    require_folder(gt_dir, "ground truth")
    require_folder(pred_dir, "prediction")
    only, missing = options.only_videos, options.missing
    videos = [video for video in subfolders(gt_dir) if only is None or video in only]
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


def _totals(objects: Sequence[ObjectScore]) -> dict[str, float]:
    j, f = mean_over(objects, "j_mean"), mean_over(objects, "f_mean")
    return {"J&F": (j + f) / 2, "J": j, "F": f}


def sav_csv(score: Score) -> str:
    """Return vos-benchmark's results.csv: percent, one decimal, columns padded to one width."""
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


def _tables(score: Score) -> Mapping[str, str]:
    return {"": sav_csv(score)}


SAV = Protocol(
    name="sav",
    description="SA-V and vos-benchmark: mean over objects, each from its first sighting on",
    plan=plan_sav,
    totals=_totals,
    columns=("J&F", "J", "F"),
    tables=_tables,
    rules=Rules.PER_OBJECT,
    published=(SA_V, LVOS_V2),
)
