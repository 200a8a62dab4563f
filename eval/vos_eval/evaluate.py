"""From a protocol to its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vos_eval.errors import EvalError, EvalUsageError
from vos_eval.frame_task import FOREGROUND_ID, FrameOutcome
from vos_eval.metrics import statistics
from vos_eval.metrics.jf import BOTH_EMPTY, JF
from vos_eval.parallel import run_plan
from vos_eval.protocols.base import ObjectScore, Options, Protocol, Score
from vos_eval.protocols.plan import Labels, Quirk, SequencePlan


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
    plan = protocol.plan(gt_dir, pred_dir, options)
    outcomes = run_plan(plan, jobs=options.jobs, boundary=options.boundary)
    objects: list[ObjectScore] = []
    problems: list[str] = []
    for sequence, frames in zip(plan.sequences, outcomes, strict=True):
        scored = _score_sequence(sequence, frames, protocol, options.fixes)
        if not scored:
            problems.append(f"{sequence.title}: no object in any scored ground-truth frame")
        objects += scored
    if problems:
        raise EvalError(problems)
    return Score(
        protocol,
        protocol.totals(objects),
        tuple(objects),
        tuple(plan.notes),
        protocol.groups(objects),
    )


def _check_options(protocol: Protocol, options: Options) -> None:
    problems = [
        f"--fix {fix}: the {protocol.name} protocol has no such quirk"
        for fix in sorted(options.fixes - protocol.quirks)
    ]
    if options.unseen is not None and not protocol.has_unseen:
        problems.append(f"--unseen: the {protocol.name} protocol has no unseen videos")
    if options.split is not None and not protocol.has_splits:
        problems.append(
            f"--split: the {protocol.name} protocol has no split lists; give the split's folder"
        )
    if options.jobs < 1:
        problems.append(f"--jobs {options.jobs}: at least 1 process is needed")
    if problems:
        raise EvalUsageError(problems)


def _score_sequence(
    sequence: SequencePlan,
    outcomes: list[FrameOutcome],
    protocol: Protocol,
    fixes: frozenset[Quirk],
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
    """Follow each object from its first sighting in either mask, if the truth ever shows it."""
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
    fixes: frozenset[Quirk],
) -> ObjectScore:
    j = np.array([score.j for score in scores])
    f = np.array([score.f for score in scores])
    return ObjectScore(
        video=sequence.video,
        object_id=object_id,
        frames=tuple(names),
        j=j,
        f=f,
        j_mean=statistics.mean(j),
        f_mean=statistics.mean(f),
        v=statistics.instability(j, f, rounds=Quirk.V_ROUNDING not in fixes),
        j_recall=statistics.recall(j),
        f_recall=statistics.recall(f),
        j_decay=protocol.decay(j, fixes),
        f_decay=protocol.decay(f, fixes),
        is_seen=sequence.is_seen,
    )
