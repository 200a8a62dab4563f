"""From a protocol to its numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vos_eval.errors import EvalError, EvalUsageError
from vos_eval.frame_task import FOREGROUND_ID, FrameOutcome
from vos_eval.id_notes import tell_phantoms, tell_surplus, tell_unscored
from vos_eval.metrics import statistics
from vos_eval.metrics.jf import BOTH_EMPTY, JF
from vos_eval.parallel import run_plan
from vos_eval.protocols.base import ObjectScore, Options, Protocol, Score, with_own
from vos_eval.protocols.plan import Labels, Plan, Quirk, SequencePlan
from vos_eval.protocols.registry import PROTOCOLS


def ignore(text: str) -> None:
    """Do nothing with a text."""
    del text


def evaluate(
    protocol: Protocol | str,
    gt_dir: Path | str,
    pred_dir: Path | str,
    options: Options | None = None,
    *,
    on_note: Callable[[str], None] = ignore,
) -> Score:
    """Score predictions against ground truth.

    protocol: the rules, or their name, such as "davis".
    on_note: called with each note as soon as it is known; most are before anything is scored.

    Raises:
        EvalUsageError: no such protocol, or options that it does not know.
        EvalError: anything that keeps even one frame from being scored; all problems are named.
    """
    options = options or Options()
    rules = find_protocol(protocol)
    plan = make_plan(rules, Path(gt_dir), Path(pred_dir), options)
    for note in plan.notes:
        on_note(note)
    return score_plan(rules, plan, options, on_note=on_note)


def score_plan(
    rules: Protocol, plan: Plan, options: Options, *, on_note: Callable[[str], None] = ignore
) -> Score:
    """Score what was planned.

    on_note: called with each note that is not the plan's.

    Raises:
        EvalError: as `evaluate`.
    """
    outcomes = run_plan(plan, jobs=options.jobs, boundary=options.boundary)
    objects: list[ObjectScore] = []
    problems: list[str] = []
    for sequence, frames in zip(plan.sequences, outcomes, strict=True):
        scored = _score_sequence(sequence, frames, rules, options.fixes)
        if not scored:
            problems.append(f"{sequence.title}: no object in any scored ground-truth frame")
        objects += scored
    if problems:
        raise EvalError(problems)
    found = [
        *tell_unscored(plan, outcomes),
        *tell_surplus(plan, outcomes),
        *tell_phantoms(plan, objects, rules),
    ]
    for note in found:
        on_note(note)
    return Score(
        rules,
        rules.totals(objects),
        tuple(objects),
        (*plan.notes, *found),
        rules.groups(objects),
        plan,
    )


def find_protocol(protocol: Protocol | str) -> Protocol:
    """Return the protocol, found by its name where it is one.

    Raises:
        EvalUsageError: there is none of this name.
    """
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in PROTOCOLS:
        raise EvalUsageError(f"protocol {protocol!r}: expected one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[protocol]


def make_plan(protocol: Protocol, gt_dir: Path, pred_dir: Path, options: Options) -> Plan:
    """Decide what is scored, without the videos that are left out.

    Raises:
        EvalUsageError: options that the protocol does not know.
        EvalError: folders, lists or all predictions are missing, or a video asked for is not there.
    """
    _check_options(protocol, options)
    plan = protocol.plan(gt_dir, pred_dir, options)
    gone = plan.left_out | options.leave_out
    known = gone | {sequence.video for sequence in plan.sequences}
    unknown = sorted((options.only_videos or frozenset()) - known)
    if unknown and not plan.problems:
        raise EvalError(f"{gt_dir}: no such video: {', '.join(unknown)}")
    plan.sequences = [one for one in plan.sequences if one.video not in gone]
    if gone and not plan.sequences and not plan.problems:
        raise EvalError(f"{pred_dir}: no video has all its predictions; nothing to score")
    return plan


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
        runs = {object_id: _Run() for object_id in sequence.objects}
        for frame, outcome in zip(sequence.frames, outcomes, strict=True):
            for object_id in frame.object_ids:
                runs[object_id].add(frame.name, outcome.scores[object_id], outcome)
    return [
        _object_score(sequence, object_id, run, protocol, fixes) for object_id, run in runs.items()
    ]


@dataclass(slots=True)
class _Run:
    """One object over its frames.

    names: stems of the frames.
    scores: its scores there.
    sizes_px: pixels of the images.
    """

    names: list[str] = field(default_factory=list)
    scores: list[JF] = field(default_factory=list)
    sizes_px: list[int] = field(default_factory=list)

    def add(self, name: str, score: JF, outcome: FrameOutcome) -> None:
        self.names.append(name)
        self.scores.append(score)
        self.sizes_px.append(outcome.size_px)


def _sighted_runs(sequence: SequencePlan, outcomes: list[FrameOutcome]) -> dict[int, _Run]:
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
        run = _Run()
        for frame, outcome in zip(sequence.frames[start:], outcomes[start:], strict=True):
            run.add(frame.name, outcome.scores.get(object_id, BOTH_EMPTY), outcome)
        is_folder = sequence.only_object is not None and object_id == FOREGROUND_ID
        runs[sequence.only_object if is_folder else object_id] = run
    return runs


def _object_score(
    sequence: SequencePlan,
    object_id: int,
    run: _Run,
    protocol: Protocol,
    fixes: frozenset[Quirk],
) -> ObjectScore:
    j = np.array([score.j for score in run.scores])
    f = np.array([score.f for score in run.scores])
    item = ObjectScore(
        video=sequence.video,
        object_id=object_id,
        frames=tuple(run.names),
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
        gt_share=np.array([score.gt_px for score in run.scores]) / np.array(run.sizes_px),
        f_fixed=np.array([score.f_fixed for score in run.scores]),
    )
    return with_own(item, protocol)
