"""LVOS: which objects and frames are scored, from the split's metadata.

Scored are single objects, each from its own first frame on, on every fifth frame.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vos_eval.errors import EvalError
from vos_eval.protocols.files import find_annotations, find_predictions, require_folder
from vos_eval.protocols.plan import Fix, FramePlan, Missing, Plan, SequencePlan

FRAME_STEP = 5


META_NAMES = ("valid_meta.json", "val_meta.json", "meta.json")


@dataclass(frozen=True, slots=True)
class ObjectRun:
    """One object's frames as the metadata gives them.

    start, end: first frame of the object, last frame of the video.
    frame_nums: length the evaluator allocates; in the real metadata (end - start) / 5.
    """

    object_id: int
    start: int
    end: int
    frame_nums: int

    @property
    def frames(self) -> range:
        """Frame numbers the evaluator walks through; the end is not among them."""
        return range(self.start, self.end, FRAME_STEP)


def frame_name(number: int) -> str:
    """File stem of a frame."""
    return f"{number:08d}"


def find_meta(split_dir: Path, split: str | None = None) -> Path:
    """The metadata file of a split folder, under any of its names in the wild.

    Raises:
        EvalError: there is none.
    """
    names = ([f"{split}_meta.json"] if split else []) + list(META_NAMES)
    for name in names:
        if (split_dir / name).is_file():
            return split_dir / name
    raise EvalError(
        f"{split_dir}: no metadata; expected one of {', '.join(dict.fromkeys(names))} beside "
        "Annotations/ (give the split folder, such as LVOS/valid)"
    )


def load_meta(path: Path) -> dict[str, tuple[ObjectRun, ...]]:
    """Video name -> its objects in the file's order. Numbers may be written as strings.

    Raises:
        EvalError: not JSON, or entries of another shape; every bad entry is named.
    """
    try:
        content: Any = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise EvalError(f"{path}: not readable as JSON ({error})") from error
    videos = content.get("videos") if isinstance(content, dict) else None
    if not isinstance(videos, dict) or not videos:
        raise EvalError(f'{path}: no videos; expected {{"videos": {{NAME: {{"objects": ...}}}}}}')
    problems: list[str] = []
    meta: dict[str, tuple[ObjectRun, ...]] = {}
    for video in sorted(videos):
        entry = videos[video]
        objects = entry.get("objects") if isinstance(entry, dict) else None
        if not isinstance(objects, dict) or not objects:
            problems.append(f"{path}: video {video} has no objects")
            continue
        runs = []
        for key, value in objects.items():
            try:
                runs.append(_parse_run(key, value))
            except (KeyError, TypeError, ValueError) as error:
                problems.append(
                    f"{path}: video {video} object {key}: expected frame_range with whole "
                    f"numbers start, end and frame_nums, found {json.dumps(value)} ({error})"
                )
        meta[video] = tuple(runs)
    if problems:
        raise EvalError(problems)
    return meta


def _parse_run(key: str, value: Any) -> ObjectRun:
    span = value["frame_range"]
    run = ObjectRun(int(key), int(span["start"]), int(span["end"]), int(span["frame_nums"]))
    if not 1 <= run.object_id <= 255:
        raise ValueError("an object id is 1-255")
    if run.start < 0 or run.end < run.start:
        raise ValueError("start must not be behind end")
    return run


def plan_lvos(
    split_dir: Path,
    pred_dir: Path,
    unseen: Collection[str],
    *,
    is_v1_era: bool = False,
    split: str | None = None,
    missing: Missing = Missing.ERROR,
    fixes: Collection[Fix] = (),
    only_videos: Collection[str] | None = None,
) -> Plan:
    """The official selection: objects of the metadata, prompt frame and last two frames left out.

    is_v1_era: as before the v2 rewrite: every frame of the range counts, the prompt frame too.
    only_videos: score these videos only; one of the two groups may then be empty.

    Raises:
        EvalError: folders or metadata are missing or unreadable.
    """
    require_folder(split_dir, "ground truth")
    meta = load_meta(find_meta(split_dir, split))
    require_folder(pred_dir, "prediction")
    plan = Plan()
    if only_videos is not None:
        unknown = sorted(set(only_videos) - set(meta))
        if unknown:
            raise EvalError(f"{split_dir}: not in the metadata: {', '.join(unknown)}")
        meta = {video: runs for video, runs in meta.items() if video in only_videos}
    for video, runs in meta.items():
        _plan_video(plan, split_dir, pred_dir, video, runs, unseen, is_v1_era, missing, fixes)
    if only_videos is None:
        _check_groups(plan, meta, unseen)
    return plan


def _plan_video(
    plan: Plan,
    split_dir: Path,
    pred_dir: Path,
    video: str,
    runs: tuple[ObjectRun, ...],
    unseen: Collection[str],
    is_v1_era: bool,
    missing: Missing,
    fixes: Collection[Fix],
) -> None:
    objects_at: dict[int, list[int]] = {}
    for run in runs:
        problem = _length_problem(run, is_v1_era, Fix.FRAME_NUMS in fixes)
        if problem:
            plan.problems.append(f"{video} object {run.object_id}: {problem}")
            continue
        length = len(run.frames) if Fix.FRAME_NUMS in fixes else run.frame_nums
        for index, number in enumerate(run.frames):
            if is_v1_era or index not in (0, length - 1):
                objects_at.setdefault(number, []).append(run.object_id)
    names = [frame_name(number) for number in sorted(objects_at)]
    gt_folder = split_dir / "Annotations" / video
    has_gt = find_annotations(plan, video, gt_folder, names)
    predictions = find_predictions(plan, video, pred_dir / video, names, missing)
    if not has_gt:
        return
    plan.sequences.append(
        SequencePlan(
            video=video,
            frames=tuple(
                FramePlan(name, gt_folder / f"{name}.png", predictions[name], tuple(ids))
                for name, (_, ids) in zip(names, sorted(objects_at.items()), strict=True)
            ),
            objects=tuple(run.object_id for run in runs),
            is_seen=video not in unseen,
        )
    )


def _length_problem(run: ObjectRun, is_v1_era: bool, ignores_frame_nums: bool) -> str | None:
    walked = len(run.frames)
    length = walked if ignores_frame_nums else run.frame_nums
    allowed = (walked,) if is_v1_era else (walked, walked + 1)
    if length not in allowed:
        wrong = "too small" if length < walked else "too large"
        return (
            f"frame_nums {length} is {wrong}: {run.start} to {run.end} in steps of {FRAME_STEP} "
            f"has {walked} frames; correct the metadata or use --fix frame-nums"
        )
    if (walked if is_v1_era else length - 2) < 1:
        return (
            f"no frame to score: {run.start} to {run.end} in steps of {FRAME_STEP} has {walked} "
            "frames, and the first and the last of them do not count"
        )
    return None


def _check_groups(plan: Plan, videos: Collection[str], unseen: Collection[str]) -> None:
    unseen_count = sum(video in unseen for video in videos)
    advice = "give the right list with --unseen FILE"
    if unseen_count == 0:
        plan.problems.append(
            f"no unseen video among the {len(videos)} of the metadata, so Ju, Fu and J&F have no "
            f"value; {advice}"
        )
    elif unseen_count == len(videos):
        plan.problems.append(
            f"no seen video among the {len(videos)} of the metadata, so Js, Fs and J&F have no "
            f"value; {advice}"
        )


_HEAD = """
R3UJGYwy K3OUeINk 058oeZ2p xpI7xRWN FiRTBMg2 nfcT3owb JGG6MrhF yfzVCnvU 6mNj04tC yWnanBID
    v3uNUctx 49TNsJzk gw84JOqH 711gAS21 dtHbJvYy tAyQIobn vJ8W2TO5 FmzvB44A 8lxxCA5h N6CONZUW
    Oj1z5fO0 gdqCcvs2 LWVlKBlK yxCvN6OJ pMntJwSQ p9RjdKoh 9NA8c5C3 m37l7ti1 nwflTTf1 LY2zehlH
    beR0WT11 afoR2rH6 xQZlxhxV o36i3YWC cdzAjcuN IlvtT6D6 YfoFnMgm FiQUhyRi 9oLyy7aJ 9RoNInYO
    wrrX6bxv q2HE4zaM rvwT3piq ZFqAoImI bwcKqVSN QE1wMR58 eEcUJVBZ Qf9YVXOW SRRojucs PQfn7XV2
    3bvEjhOT
"""


UNSEEN_HEAD = frozenset(_HEAD.split())
"""The official evaluator's present list: 51 videos of v1 and v2."""


_V1_ERA = """
R3UJGYwy 058oeZ2p UtEnRpiP yfzVCnvU 6mNj04tC yWnanBID gw84JOqH 711gAS21 FmzvB44A Oj1z5fO0
    tAyQIobn yxCvN6OJ LWVlKBlK K3OUeINk xpI7xRWN aFytsETk FiRTBMg2 nfcT3owb v3uNUctx JGG6MrhF
    49TNsJzk dtHbJvYy 8lxxCA5h N6CONZUW vJ8W2TO5 gdqCcvs2 pMntJwSQ
"""


UNSEEN_V1_ERA = frozenset(_V1_ERA.split())
"""The list before the v2 rewrite: 27 videos, among them aFytsETk and UtEnRpiP."""


def read_unseen(path: Path) -> frozenset[str]:
    """Video names, separated by white space.

    Raises:
        EvalError: the file cannot be read or names nothing.
    """
    try:
        names = frozenset(path.read_text("utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        raise EvalError(f"{path}: cannot read the list of unseen videos ({error})") from error
    if not names:
        raise EvalError(f"{path}: the list of unseen videos is empty; it needs one name a line")
    return names
