"""SA-V's and vos-benchmark's rule: videos are folders, objects are what the masks show.

A folder of PNGs is one label map per frame. A folder of folders has one binary sequence per
object, named by its id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from vos_eval.errors import EvalError
from vos_eval.protocols.base import ObjectScore, Options, Protocol, Score, mean_over
from vos_eval.protocols.davis import RESOLUTION
from vos_eval.protocols.files import find_predictions, mask_names, require_folder, subfolders
from vos_eval.protocols.lists import find_list, read_list
from vos_eval.protocols.plan import FramePlan, Labels, Missing, Plan, SequencePlan
from vos_eval.protocols.predictions import PredictionTree
from vos_eval.protocols.published import LVOS_V2, SA_V, Rules

ANNOTATIONS = "Annotations_6fps"


def find_sav(root: Path) -> tuple[Path, Path | None, str | None]:
    """Find the folder of videos and the list of those that count, given the root of a data set.

    SA-V's root is sav_val, with Annotations_6fps/ and sav_val.txt in it; DAVIS's has Annotations/
    and ImageSets/. The folder of videos itself is taken as it is, without a list.

    Returns: the folder; the list, None for all videos; and the words about them.

    Raises:
        EvalError: several lists.
    """
    if (root / ANNOTATIONS).is_dir():
        folder = root / ANNOTATIONS
        lists = sorted(root.glob("sav_*.txt"))
        if len(lists) > 1:
            names = ", ".join(path.name for path in lists)
            raise EvalError(
                f"{root}: several lists: {names}; keep one, or give {ANNOTATIONS} as --gt"
            )
        taken = lists[0] if lists else None
    elif (root / "Annotations").is_dir():
        folder = root / "Annotations"
        if (folder / RESOLUTION).is_dir():
            folder /= RESOLUTION
        taken, _ = find_list(root)
    else:
        return root, None, None
    about = "all videos there" if taken is None else f"the videos of {taken.relative_to(root)}"
    return folder, taken, f"{root}: took {folder.relative_to(root)}, {about}"


def plan_sav(gt_dir: Path, pred_dir: Path, options: Options) -> Plan:
    """Select all annotated frames of every video but the first and the last.

    Raises:
        EvalError: folders are missing or hold no video.
    """
    require_folder(gt_dir, "ground truth")
    require_folder(pred_dir, "prediction")
    plan = Plan()
    videos_dir, list_path, reading = find_sav(gt_dir)
    if reading is not None:
        plan.readings.append(reading)
    videos = subfolders(videos_dir) if list_path is None else sorted(read_list(list_path))
    videos = [video for video in videos if options.takes(video)]
    if not videos:
        raise EvalError(
            f"{videos_dir}: no video folders; expected VIDEO/*.png or VIDEO/OBJECT/*.png"
        )
    tree = PredictionTree(pred_dir, plan)
    tree.check_single(videos)
    for video in videos:
        gt_folder = videos_dir / video
        pred_folder = tree.folder(video, is_only=len(videos) == 1)
        if not gt_folder.is_dir():
            plan.problems.append(f"{video}: no ground truth: the folder {gt_folder} is missing")
            continue
        objects = subfolders(gt_folder)
        if not objects:
            _plan_sequence(plan, video, None, gt_folder, pred_folder, options.missing)
            continue
        for name in objects:
            if not name.isdecimal():
                plan.problems.append(
                    f"{video}: {gt_folder / name} is not an object folder; its name must be "
                    "a number such as 000"
                )
                continue
            _plan_sequence(plan, video, name, gt_folder / name, pred_folder / name, options.missing)
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
    if title in plan.left_out:
        plan.left_out = plan.left_out - {title} | {video}
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
