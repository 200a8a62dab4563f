"""From a protocol's name to its numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np

from vos_eval.errors import EvalError, EvalUsageError
from vos_eval.frame_task import FOREGROUND_ID, FrameOutcome
from vos_eval.metrics import statistics
from vos_eval.metrics.boundary import Boundary
from vos_eval.metrics.jf import BOTH_EMPTY, JF
from vos_eval.parallel import run_plan
from vos_eval.protocols.davis import plan_davis
from vos_eval.protocols.lvos import UNSEEN_HEAD, UNSEEN_V1_ERA, plan_lvos, read_unseen
from vos_eval.protocols.plan import Fix, Labels, Missing, Plan, SequencePlan
from vos_eval.protocols.sav import plan_sav


class Protocol(StrEnum):
    """Whose numbers to reproduce."""

    LVOS = "lvos"
    LVOS_V1_ERA = "lvos-v1-era"
    DAVIS = "davis"
    SAV = "sav"

    @property
    def is_lvos(self) -> bool:
        return self in (Protocol.LVOS, Protocol.LVOS_V1_ERA)


_FIXES = {
    Protocol.LVOS: {Fix.LVOS_DECAY, Fix.V_ROUNDING, Fix.FRAME_NUMS},
    Protocol.LVOS_V1_ERA: {Fix.LVOS_DECAY, Fix.V_ROUNDING, Fix.FRAME_NUMS},
    Protocol.DAVIS: {Fix.DECAY_WRAP},
    Protocol.SAV: set(),
}


@dataclass(frozen=True, slots=True)
class Options:
    """How to score.

    unseen: LVOS: file of unseen videos instead of the protocol's own list.
    split: davis: name of the list in ImageSets; lvos: name of the metadata file.
    missing: what to do about absent predictions.
    fixes: official quirks switched off.
    boundary: contour rule.
    jobs: processes at most; the digits do not depend on it.
    only_videos: score these only. For LVOS an empty group then has no value instead of being
        an error.
    """

    unseen: Path | None = None
    split: str | None = None
    missing: Missing = Missing.ERROR
    fixes: frozenset[Fix] = frozenset()
    boundary: Boundary = Boundary.STANDARD
    jobs: int = 1
    only_videos: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class ObjectScore:
    """One object over time; J, F and recalls on 0-1.

    frames: stems of the scored frames; j, f: their scores.
    """

    video: str
    object_id: int
    frames: tuple[str, ...]
    j: np.ndarray
    f: np.ndarray
    j_mean: float
    f_mean: float
    v: float
    j_recall: float
    f_recall: float
    j_decay: float
    f_decay: float
    is_seen: bool | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """The result of one evaluation.

    totals: the protocol's global numbers by their published names, 0-1, NaN where there is none.
    micro: lvos: plain means over all objects, which no table uses.
    groups: lvos: Vs and Vu, V of the seen and of the unseen videos.
    notes: what a reader has to know: predictions scored as empty.
    """

    protocol: Protocol
    totals: dict[str, float]
    objects: tuple[ObjectScore, ...]
    notes: tuple[str, ...] = ()
    micro: dict[str, float] = field(default_factory=dict)
    groups: dict[str, float] = field(default_factory=dict)


def evaluate(
    protocol: Protocol, gt_dir: Path, pred_dir: Path, options: Options | None = None
) -> Score:
    """Score predictions against ground truth.

    Raises:
        EvalUsageError: options that the protocol does not know.
        EvalError: anything that keeps even one frame from being scored; all problems are named.
    """
    options = options or Options()
    _check_options(protocol, options)
    plan = make_plan(protocol, gt_dir, pred_dir, options)
    outcomes = run_plan(plan, jobs=options.jobs, boundary=options.boundary)
    objects: list[ObjectScore] = []
    problems: list[str] = []
    for sequence, frames in zip(plan.sequences, outcomes, strict=True):
        scored = _score_sequence(sequence, frames, protocol, options.fixes)
        if not scored:
            name = (
                sequence.video
                if sequence.only_object is None
                else (f"{sequence.video} object {sequence.only_object:03d}")
            )
            problems.append(f"{name}: no object in any scored ground-truth frame")
        objects += scored
    if problems:
        raise EvalError(problems)
    totals = _TOTALS[protocol](objects)
    return Score(
        protocol,
        totals,
        tuple(objects),
        tuple(plan.notes),
        _micro(objects) if protocol.is_lvos else {},
        _groups(objects) if protocol.is_lvos else {},
    )


def _check_options(protocol: Protocol, options: Options) -> None:
    problems = [
        f"--fix {fix}: the {protocol} protocol has no such quirk"
        for fix in sorted(options.fixes - _FIXES[protocol])
    ]
    if options.unseen is not None and not protocol.is_lvos:
        problems.append(f"--unseen: the {protocol} protocol has no unseen videos")
    if options.split is not None and protocol is Protocol.SAV:
        problems.append("--split: the sav protocol has no split lists; give the split's folder")
    if options.jobs < 1:
        problems.append(f"--jobs {options.jobs}: at least 1 process is needed")
    if problems:
        raise EvalUsageError(problems)


def make_plan(protocol: Protocol, gt_dir: Path, pred_dir: Path, options: Options) -> Plan:
    """Frames and objects of the protocol, before any frame is decoded.

    Raises:
        EvalError: folders, lists or metadata that cannot be read.
    """
    if protocol is Protocol.DAVIS:
        return plan_davis(
            gt_dir,
            pred_dir,
            split=options.split,
            missing=options.missing,
            only_videos=options.only_videos,
        )
    if protocol is Protocol.SAV:
        return plan_sav(gt_dir, pred_dir, missing=options.missing, only_videos=options.only_videos)
    is_v1_era = protocol is Protocol.LVOS_V1_ERA
    if options.unseen is not None:
        unseen = read_unseen(options.unseen)
    else:
        unseen = UNSEEN_V1_ERA if is_v1_era else UNSEEN_HEAD
    return plan_lvos(
        gt_dir,
        pred_dir,
        unseen,
        is_v1_era=is_v1_era,
        split=options.split,
        missing=options.missing,
        fixes=options.fixes,
        only_videos=options.only_videos,
    )


def _score_sequence(
    sequence: SequencePlan,
    outcomes: list[FrameOutcome],
    protocol: Protocol,
    fixes: Collection[Fix],
) -> list[ObjectScore]:
    if sequence.labels in (Labels.PRESENT, Labels.FOREGROUND):
        runs = _sighted_runs(sequence, outcomes)
    else:
        runs = {object_id: ([], []) for object_id in sequence.objects}
        for frame, outcome in zip(sequence.frames, outcomes, strict=True):
            for object_id in frame.object_ids:
                runs[object_id][0].append(frame.name)
                runs[object_id][1].append(outcome.scores[object_id])
    return [
        _object_score(sequence, object_id, names, scores, protocol, fixes)
        for object_id, (names, scores) in runs.items()
    ]


def _sighted_runs(
    sequence: SequencePlan, outcomes: list[FrameOutcome]
) -> dict[int, tuple[list[str], list[JF]]]:
    """Each object from its first sighting in either mask on, if the ground truth ever shows it."""
    first: dict[int, int] = {}
    in_gt: set[int] = set()
    for index, outcome in enumerate(outcomes):
        in_gt |= outcome.gt_ids
        for object_id in outcome.scores:
            first.setdefault(object_id, index)
    runs = {}
    for object_id in sorted(in_gt):
        start = first[object_id]
        names = [frame.name for frame in sequence.frames[start:]]
        scores = [outcome.scores.get(object_id, BOTH_EMPTY) for outcome in outcomes[start:]]
        is_folder = sequence.only_object is not None and object_id == FOREGROUND_ID
        runs[sequence.only_object if is_folder else object_id] = (names, scores)
    return runs


def _object_score(
    sequence: SequencePlan,
    object_id: int,
    names: list[str],
    scores: list[JF],
    protocol: Protocol,
    fixes: Collection[Fix],
) -> ObjectScore:
    j = np.array([score.j for score in scores])
    f = np.array([score.f for score in scores])
    if protocol.is_lvos and Fix.LVOS_DECAY not in fixes:
        j_decay = f_decay = 0.0
    else:
        wraps = protocol is Protocol.DAVIS and Fix.DECAY_WRAP not in fixes
        j_decay, f_decay = statistics.decay(j, wraps=wraps), statistics.decay(f, wraps=wraps)
    return ObjectScore(
        video=sequence.video,
        object_id=object_id,
        frames=tuple(names),
        j=j,
        f=f,
        j_mean=statistics.mean(j),
        f_mean=statistics.mean(f),
        v=statistics.instability(j, f, rounds=Fix.V_ROUNDING not in fixes),
        j_recall=statistics.recall(j),
        f_recall=statistics.recall(f),
        j_decay=j_decay,
        f_decay=f_decay,
        is_seen=sequence.is_seen,
    )


def _mean_over(objects: Collection[ObjectScore], name: str) -> float:
    return statistics.mean(np.array([getattr(score, name) for score in objects], float))


def _lvos_totals(objects: list[ObjectScore]) -> dict[str, float]:
    seen = [score for score in objects if score.is_seen]
    unseen = [score for score in objects if not score.is_seen]
    js, ju = _mean_over(seen, "j_mean"), _mean_over(unseen, "j_mean")
    fs, fu = _mean_over(seen, "f_mean"), _mean_over(unseen, "f_mean")
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


def _groups(objects: list[ObjectScore]) -> dict[str, float]:
    return {
        "Vs": _mean_over([score for score in objects if score.is_seen], "v"),
        "Vu": _mean_over([score for score in objects if not score.is_seen], "v"),
    }


def _davis_totals(objects: list[ObjectScore]) -> dict[str, float]:
    j, f = _mean_over(objects, "j_mean"), _mean_over(objects, "f_mean")
    return {
        "J&F": (j + f) / 2,
        "J": j,
        "JR": _mean_over(objects, "j_recall"),
        "JD": _mean_over(objects, "j_decay"),
        "F": f,
        "FR": _mean_over(objects, "f_recall"),
        "FD": _mean_over(objects, "f_decay"),
    }


def _sav_totals(objects: list[ObjectScore]) -> dict[str, float]:
    j, f = _mean_over(objects, "j_mean"), _mean_over(objects, "f_mean")
    return {"J&F": (j + f) / 2, "J": j, "F": f}


def _micro(objects: list[ObjectScore]) -> dict[str, float]:
    return {
        "J": _mean_over(objects, "j_mean"),
        "F": _mean_over(objects, "f_mean"),
        "JR": _mean_over(objects, "j_recall"),
        "JD": _mean_over(objects, "j_decay"),
        "FR": _mean_over(objects, "f_recall"),
        "FD": _mean_over(objects, "f_decay"),
    }


_TOTALS: dict[Protocol, Callable[[list[ObjectScore]], dict[str, float]]] = {
    Protocol.LVOS: _lvos_totals,
    Protocol.LVOS_V1_ERA: _lvos_totals,
    Protocol.DAVIS: _davis_totals,
    Protocol.SAV: _sav_totals,
}
