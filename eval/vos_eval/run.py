"""Decoding and scoring the frames of a plan, here or in worker processes.

Frames are independent, so the digits do not depend on the number of workers; a worker that dies
ends the run with an error instead of waiting for it.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vos_eval.boundary import Boundary
from vos_eval.errors import EvalError
from vos_eval.plan import FramePlan, Labels, Plan, SequencePlan
from vos_eval.png import MaskError, check_header, read_labels
from vos_eval.scores import JF, FramePair, Scorer

_FRAMES_PER_TASK = 32
_TASKS_AHEAD = 4  # per worker: enough to keep it busy, few enough to keep memory flat

FOREGROUND_ID = 1


@dataclass(frozen=True, slots=True)
class FrameOutcome:
    """One scored frame.

    scores: object id -> J and F, for the planned or the present objects.
    gt_ids: ids present in the ground truth, where the masks decide what is scored.
    problem: why the frame could not be scored.
    """

    scores: dict[int, JF]
    gt_ids: frozenset[int] = frozenset()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Task:
    sequence_index: int
    title: str
    frames: tuple[FramePlan, ...]
    labels: Labels
    max_label: int
    boundary: Boundary


def run_plan(
    plan: Plan, *, jobs: int = 1, boundary: Boundary = Boundary.STANDARD
) -> list[list[FrameOutcome]]:
    """Outcomes per sequence and frame, in the plan's order.

    Raises:
        EvalError: the plan has problems, a mask cannot be scored, or a worker died.
    """
    problems = list(plan.problems)
    if problems:
        for sequence in plan.sequences:
            problems += _header_problems(sequence)
        raise EvalError(problems)
    if not plan.sequences:
        raise EvalError("no video to score")
    outcomes: list[list[FrameOutcome]] = [[] for _ in plan.sequences]
    tasks = _tasks(plan, boundary)
    if jobs <= 1 or plan.frame_count <= _FRAMES_PER_TASK:
        results = ((task, _score_task(task)) for task in tasks)
    else:
        results = _run_in_workers(tasks, jobs)
    for task, scored in results:
        outcomes[task.sequence_index].extend(scored)
        problems += [outcome.problem for outcome in scored if outcome.problem is not None]
    if problems:
        raise EvalError(problems)
    return outcomes


def _tasks(plan: Plan, boundary: Boundary) -> Iterator[_Task]:
    for index, sequence in enumerate(plan.sequences):
        for start in range(0, len(sequence.frames), _FRAMES_PER_TASK):
            yield _Task(
                index,
                _title(sequence),
                sequence.frames[start : start + _FRAMES_PER_TASK],
                sequence.labels,
                sequence.max_label,
                boundary,
            )


def _run_in_workers(
    tasks: Iterator[_Task], jobs: int
) -> Iterator[tuple[_Task, list[FrameOutcome]]]:
    # Fresh interpreters: a fork of a process that has threads or a GPU context may lock up.
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
    waiting: deque[tuple[_Task, Future[list[FrameOutcome]]]] = deque()
    try:
        for task in tasks:
            waiting.append((task, pool.submit(_score_task, task)))
            if len(waiting) >= jobs * _TASKS_AHEAD:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
    except BrokenProcessPool as error:
        raise EvalError(
            "a scoring process died (killed, or out of memory), so there is no score; try again "
            "with a smaller --jobs"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _score_task(task: _Task) -> list[FrameOutcome]:
    scorer = Scorer(task.boundary)
    queued = [_queue_frame(task, frame, scorer) for frame in task.frames]
    scores = iter(scorer.scores())
    return [
        FrameOutcome({i: next(scores) for i in frame.ids}, frame.gt_ids, frame.problem)
        for frame in queued
    ]


@dataclass(frozen=True, slots=True)
class _Queued:
    """A decoded frame: the objects handed to the scorer, in order."""

    ids: Sequence[int] = ()
    gt_ids: frozenset[int] = frozenset()
    problem: str | None = None


def _queue_frame(task: _Task, frame: FramePlan, scorer: Scorer) -> _Queued:
    try:
        gt = _read("ground truth", frame.gt)
        pred = np.zeros(gt.shape, np.uint8)
        if frame.pred is not None:
            pred = _read("prediction", frame.pred)
        if pred.shape != gt.shape:
            raise MaskError(_size_problem(frame, pred.shape, gt.shape))
        if task.labels is Labels.IDS_STRICT and pred.max() > task.max_label:
            raise MaskError(
                f"prediction {frame.pred} has label {pred.max()}; the video has objects 1-"
                f"{task.max_label} (the labels of its first annotation)"
            )
        pair = FramePair(gt, pred)
        if task.labels in (Labels.FOREGROUND, Labels.BINARY):
            return _queue_foreground(task, frame, pair, scorer)
    except MaskError as error:
        return _Queued(problem=f"{task.title}: {error}")
    ids, gt_ids = frame.object_ids, frozenset[int]()
    if task.labels is Labels.PRESENT:
        gt_ids, pred_ids = pair.object_ids()
        ids = sorted(gt_ids | pred_ids)
    for object_id in ids:
        scorer.add(pair.crop(object_id), pair.radius_px)
    return _Queued(ids, gt_ids)


def _queue_foreground(task: _Task, frame: FramePlan, pair: FramePair, scorer: Scorer) -> _Queued:
    """One object of any value; a sequence that waits for its first sighting skips empty frames."""
    gt_ids, pred_ids = pair.object_ids()
    is_binary = task.labels is Labels.BINARY
    for what, path, ids in (
        ("ground truth", frame.gt, gt_ids),
        ("prediction", frame.pred, pred_ids),
    ):
        if len(ids) > 1 or (is_binary and not ids <= {FOREGROUND_ID, 255}):
            raise MaskError(
                f"{what} {path} has labels {', '.join(map(str, sorted(ids)))}; a mask of one "
                f"object has {'1 or 255' if is_binary else 'one value'} beside 0"
            )
    if not is_binary and not gt_ids and not pred_ids:
        return _Queued()
    scorer.add(pair.crop_foreground(), pair.radius_px)
    return _Queued((FOREGROUND_ID,), frozenset({FOREGROUND_ID} if gt_ids else ()))


def _read(what: str, path: Path) -> np.ndarray:
    try:
        return read_labels(path)
    except MaskError as error:
        raise MaskError(f"{what} {path}: {error}") from error


def _header_problems(sequence: SequencePlan) -> Iterator[str]:
    """What the files' headers show, so that one run lists all that is wrong."""
    for frame in sequence.frames:
        sizes = []
        for what, path in (("ground truth", frame.gt), ("prediction", frame.pred)):
            if path is None:
                continue
            try:
                sizes.append(check_header(path))
            except MaskError as error:
                yield f"{_title(sequence)}: {what} {path}: {error}"
        if len(sizes) == 2 and sizes[0] != sizes[1]:
            yield f"{_title(sequence)}: {_size_problem(frame, sizes[1], sizes[0])}"


def _size_problem(frame: FramePlan, pred_hw: tuple[int, ...], gt_hw: tuple[int, ...]) -> str:
    return (
        f"prediction {frame.pred} is {pred_hw[1]}x{pred_hw[0]}; the ground truth is "
        f"{gt_hw[1]}x{gt_hw[0]}, and a prediction must have its size"
    )


def _title(sequence: SequencePlan) -> str:
    if sequence.only_object is None:
        return sequence.video
    return f"{sequence.video} object {sequence.only_object:03d}"
