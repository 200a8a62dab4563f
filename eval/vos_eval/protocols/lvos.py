"""LVOS: which objects and frames are scored, from the split's metadata.

Scored are single objects, each from its own first frame on, on every fifth frame.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vos_eval.errors import EvalError
from vos_eval.metrics import statistics
from vos_eval.protocols.base import ObjectScore, Options, Protocol, Score, mean_over
from vos_eval.protocols.files import (
    find_annotations,
    find_predictions,
    is_name,
    require_folder,
)
from vos_eval.protocols.plan import FramePlan, Plan, Quirk, SequencePlan
from vos_eval.protocols.predictions import PredictionTree
from vos_eval.protocols.published import LVOS_V1, LVOS_V2, Rules
from vos_eval.protocols.tables import global_table, sequence_table
from vos_eval.texts import read_json, read_text

FRAME_STEP = 5
META_NAMES = ("valid_meta.json", "val_meta.json", "meta.json")

_MAX_FRAME = 1_000_000  # of one video: nine hours
_MAX_FRAMES = 5_000_000  # of all videos and objects; LVOS v2 has 0.3 million


@dataclass(frozen=True, slots=True)
class ObjectRun:
    """One object's frames as the metadata gives them.

    object_id: pixel value of the object in the masks.
    start: number of the object's first frame.
    end: number of the video's last frame.
    frame_nums: length the official tool allocates; in the real metadata (end - start) / 5.
    """

    object_id: int
    start: int
    end: int
    frame_nums: int

    @property
    def frames(self) -> range:
        """The frame numbers that the official tool walks through, without the end."""
        return range(self.start, self.end, FRAME_STEP)


def frame_name(number: int) -> str:
    """Return the file stem of a frame."""
    return f"{number:08d}"


def find_meta(split_dir: Path, split: str | None = None) -> Path:
    """Find the metadata file of a split folder, under any of its names in the wild.

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
    """Read the objects of each video, in the file's order; numbers may be written as strings.

    Raises:
        EvalError: not JSON, or entries of another shape; every bad entry is named.
    """
    content: Any = read_json(path, "metadata")
    videos = content.get("videos") if isinstance(content, dict) else None
    if not isinstance(videos, dict) or not videos:
        raise EvalError(f'{path}: no videos; expected {{"videos": {{NAME: {{"objects": ...}}}}}}')
    problems: list[str] = []
    meta: dict[str, tuple[ObjectRun, ...]] = {}
    total = 0
    for video in sorted(videos):
        if not is_name(video):
            problems.append(f"{path}: video {video[:60]!r} is not the name of a folder")
            continue
        entry = videos[video]
        objects = entry.get("objects") if isinstance(entry, dict) else None
        if not isinstance(objects, dict) or not objects:
            problems.append(f"{path}: video {video} has no objects")
            continue
        runs = []
        for key, value in objects.items():
            try:
                runs.append(_parse_run(key, value))
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                problems.append(
                    f"{path}: video {video} object {key}: expected frame_range with whole "
                    f"numbers start, end and frame_nums, found {json.dumps(value)[:200]} ({error})"
                )
        meta[video] = tuple(runs)
        total += sum(len(run.frames) for run in runs)
    if total > _MAX_FRAMES:
        problems.append(f"{path}: {total} frames in all; a data set has up to {_MAX_FRAMES}")
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
    if run.end > _MAX_FRAME:
        raise ValueError(f"frame numbers end at {_MAX_FRAME}")
    return run


def plan_lvos(
    split_dir: Path,
    pred_dir: Path,
    options: Options,
    *,
    official_unseen: Collection[str],
    is_v1_era: bool,
) -> Plan:
    """Select as the official tool does: objects of the metadata, without the prompt frame.

    The last two frames of an object's range do not count either.

    official_unseen: the unseen videos, unless the options name others.
    is_v1_era: as before the v2 rewrite: every frame of the range counts, the prompt frame too.

    Raises:
        EvalError: folders or metadata are missing or unreadable.
    """
    unseen = official_unseen if options.unseen is None else read_unseen(options.unseen)
    require_folder(split_dir, "ground truth")
    meta = load_meta(find_meta(split_dir, options.split))
    require_folder(pred_dir, "prediction")
    plan = Plan()
    only = options.only_videos
    if only is not None:
        unknown = sorted(only - set(meta))
        if unknown:
            raise EvalError(f"{split_dir}: not in the metadata: {', '.join(unknown)}")
        meta = {video: runs for video, runs in meta.items() if video in only}
    tree = PredictionTree(pred_dir, plan)
    tree.check_single(list(meta))
    for video, runs in meta.items():
        objects_at = _objects_at(plan, video, runs, is_v1_era, Quirk.FRAME_NUMS in options.fixes)
        names = [frame_name(number) for number in sorted(objects_at)]
        gt_folder = split_dir / "Annotations" / video
        has_gt = find_annotations(plan, video, gt_folder, names)
        folder = tree.folder(video, is_only=len(meta) == 1)
        predictions = find_predictions(plan, video, folder, names, options.missing)
        if not has_gt:
            continue
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
    gone = plan.left_out | options.leave_out
    _check_groups(plan, [v for v in meta if v not in gone], unseen, is_part=bool(only or gone))
    return plan


def _objects_at(
    plan: Plan,
    video: str,
    runs: tuple[ObjectRun, ...],
    is_v1_era: bool,
    ignores_frame_nums: bool,
) -> dict[int, list[int]]:
    """Return the objects to score on each frame number; runs that do not fit become problems."""
    objects_at: dict[int, list[int]] = {}
    for run in runs:
        problem = _length_problem(run, is_v1_era, ignores_frame_nums)
        if problem:
            plan.problems.append(f"{video} object {run.object_id}: {problem}")
            continue
        length = len(run.frames) if ignores_frame_nums else run.frame_nums
        for index, number in enumerate(run.frames):
            if is_v1_era or index not in (0, length - 1):
                objects_at.setdefault(number, []).append(run.object_id)
    return objects_at


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


def _check_groups(
    plan: Plan, videos: Collection[str], unseen: Collection[str], *, is_part: bool
) -> None:
    """Refuse a data set without seen or unseen videos; say it where only a part is scored."""
    unseen_count = sum(video in unseen for video in videos)
    if unseen_count == 0:
        group, numbers = "unseen", "Ju, Fu and J&F"
    elif unseen_count == len(videos):
        group, numbers = "seen", "Js, Fs and J&F"
    else:
        return
    if is_part:
        plan.notes.append(
            f"no {group} video among the {len(videos)} that are scored, so {numbers} have no value"
        )
    else:
        plan.problems.append(
            f"no {group} video among the {len(videos)} of the metadata, so {numbers} have no "
            "value; give the right list with --unseen FILE"
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
"""The present list of the official tool: 51 videos of v1 and v2."""

_V1_ERA = """
R3UJGYwy 058oeZ2p UtEnRpiP yfzVCnvU 6mNj04tC yWnanBID gw84JOqH 711gAS21 FmzvB44A Oj1z5fO0
    tAyQIobn yxCvN6OJ LWVlKBlK K3OUeINk xpI7xRWN aFytsETk FiRTBMg2 nfcT3owb v3uNUctx JGG6MrhF
    49TNsJzk dtHbJvYy 8lxxCA5h N6CONZUW vJ8W2TO5 gdqCcvs2 pMntJwSQ
"""
UNSEEN_V1_ERA = frozenset(_V1_ERA.split())
"""The list before the v2 rewrite: 27 videos, among them aFytsETk and UtEnRpiP."""


def read_unseen(path: Path) -> frozenset[str]:
    """Read video names, separated by white space.

    Raises:
        EvalError: the file cannot be read or names nothing.
    """
    names = frozenset(read_text(path, "list of unseen videos").split())
    if not names:
        raise EvalError(f"{path}: the list of unseen videos is empty; it needs one name a line")
    return names


def _totals(objects: Sequence[ObjectScore]) -> dict[str, float]:
    seen, unseen = _split(objects)
    js, ju = mean_over(seen, "j_mean"), mean_over(unseen, "j_mean")
    fs, fu = mean_over(seen, "f_mean"), mean_over(unseen, "f_mean")
    return {
        "J&F": (js + fs + ju + fu) / 4,
        "J": (js + ju) / 2,
        "F": (fs + fu) / 2,
        "Js": js,
        "Fs": fs,
        "Ju": ju,
        "Fu": fu,
        "V": sum(_groups(objects).values()) / 2,
    }


def _groups(objects: Sequence[ObjectScore]) -> dict[str, float]:
    seen, unseen = _split(objects)
    return {"Vs": mean_over(seen, "v"), "Vu": mean_over(unseen, "v")}


def _split(objects: Sequence[ObjectScore]) -> tuple[list[ObjectScore], list[ObjectScore]]:
    """Return the objects of seen and of unseen videos."""
    return [o for o in objects if o.is_seen], [o for o in objects if not o.is_seen]


def _decay(values: np.ndarray, fixes: Collection[Quirk]) -> float:
    return statistics.decay(values, wraps=False) if Quirk.LVOS_DECAY in fixes else 0.0


_GLOBAL_COLUMNS = {
    "J&F-Mean": "J&F",
    "J-Mean": "J",
    "J-seen-Mean": "Js",
    "J-unseen-Mean": "Ju",
    "F-Mean": "F",
    "F-seen-Mean": "Fs",
    "F-unseen-Mean": "Fu",
    "V-Mean": "V",
    "V-seen-Mean": "Vs",
    "V-unseen-Mean": "Vu",
}


def _tables(score: Score) -> Mapping[str, str]:
    """Return the two official tables; an object is named VIDEO_K, K = place in the metadata."""
    named: list[tuple[str, ObjectScore]] = []
    place: dict[str, int] = {}
    for item in score.objects:
        place[item.video] = place.get(item.video, 0) + 1
        named.append((f"{item.video}_{place[item.video]}", item))
    return {
        "": sequence_table(named, ("J", "F", "V")),
        "-global": global_table(_GLOBAL_COLUMNS, score.totals | score.groups),
    }


LVOS = Protocol(
    name="lvos",
    description="the official LVOS evaluator (25cb02d): mean over objects of seen and of unseen "
    "videos, then the mean of the two; prompt frame and last frames left out",
    plan=partial(plan_lvos, official_unseen=UNSEEN_HEAD, is_v1_era=False),
    totals=_totals,
    columns=("J&F", "J", "F", "V", "seen"),
    tables=_tables,
    groups=_groups,
    summary=("J&F", "Js", "Fs", "Ju", "Fu", "V"),
    quirks=frozenset({Quirk.LVOS_DECAY, Quirk.V_ROUNDING, Quirk.FRAME_NUMS}),
    decay=_decay,
    has_unseen=True,
    has_splits=True,
    rules=Rules.OFFICIAL,
    published=(LVOS_V2, LVOS_V1),
)

LVOS_V1_ERA = replace(
    LVOS,
    name="lvos-v1-era",
    description="the LVOS evaluator before its v2 rewrite (9ff733c): prompt frame "
    "counted, list of 27 unseen videos",
    plan=partial(plan_lvos, official_unseen=UNSEEN_V1_ERA, is_v1_era=True),
    rules=None,
    published=(LVOS_V1, LVOS_V2),
)
