"""Decoding and scoring one task: some frames of one video.

Frames are independent, and counts of pixels decide the scores, so the digits do not depend on how
frames are cut into tasks, nor on which process does one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vos_eval.metrics.boundary import Boundary
from vos_eval.metrics.jf import JF, FramePair, Scorer
from vos_eval.png import MaskError, read_labels
from vos_eval.protocols.plan import FramePlan, Labels

FOREGROUND_ID = 1
VOID = 255
_KEPT_BYTES = 31 << 20


@dataclass(frozen=True, slots=True)
class FrameOutcome:
    """One scored frame.

    scores: object id -> J and F, for the planned or the present objects.
    gt_ids: ids present in the ground truth, where the masks decide what is scored.
    problem: why the frame could not be scored; None where it was.
    """

    scores: dict[int, JF]
    gt_ids: frozenset[int] = frozenset()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A few frames of one sequence of the plan, with all that is needed to score them elsewhere.

    sequence_index: place of the sequence in the plan.
    title: name of the sequence in messages.
    frames: the frames to score.
    labels: what a pixel value means.
    max_label: highest label that a prediction may have, where that is checked.
    boundary: contour rule.
    """

    sequence_index: int
    title: str
    frames: tuple[FramePlan, ...]
    labels: Labels
    max_label: int
    boundary: Boundary


def keep_freed_memory() -> None:
    """Let the C library keep what a frame frees for the next one.

    A frame needs several MB for a moment. By default glibc gives them back to the system each time,
    and getting fresh pages costs as much as the scoring itself. Freeing one large block raises its
    thresholds (mallopt(3), M_MMAP_THRESHOLD); the block is never touched, so it costs nothing.
    """
    bytearray(_KEPT_BYTES)


def score_task(task: Task) -> list[FrameOutcome]:
    """Score the frames of a task; one outcome per frame, in order."""
    scorer = Scorer(task.boundary)
    queued = [_queue_frame(task, frame, scorer) for frame in task.frames]
    scores = iter(scorer.scores())
    return [
        FrameOutcome({i: next(scores) for i in frame.ids}, frame.gt_ids, frame.problem)
        for frame in queued
    ]


@dataclass(frozen=True, slots=True)
class _Queued:
    """A decoded frame whose objects wait in the scorer.

    ids: the objects handed to the scorer, in order.
    gt_ids: as in `FrameOutcome`.
    problem: as in `FrameOutcome`.
    """

    ids: Sequence[int] = ()
    gt_ids: frozenset[int] = frozenset()
    problem: str | None = None


def _queue_frame(task: Task, frame: FramePlan, scorer: Scorer) -> _Queued:
    try:
        gt = _read("ground truth", frame.gt)
        pred = np.zeros(gt.shape, np.uint8)
        if frame.pred is not None:
            pred = _read("prediction", frame.pred)
        if pred.shape != gt.shape:
            raise MaskError(size_problem(frame, pred.shape, gt.shape))
        if task.labels is Labels.IDS_STRICT and pred.max() > task.max_label:
            raise MaskError(
                f"prediction {frame.pred} has label {pred.max()}; the video has objects 1-"
                f"{task.max_label} (the labels of its first annotation)"
            )
        if task.labels is Labels.MERGED:
            gt, pred = _merge(gt), _merge(pred)
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


def _queue_foreground(task: Task, frame: FramePlan, pair: FramePair, scorer: Scorer) -> _Queued:
    """Queue the one object, of any value; where it may appear late, empty frames have no score."""
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


def _merge(labels: np.ndarray) -> np.ndarray:
    """Make one object of all; 255 is void, or the one object where there is nothing else."""
    if labels.max() == VOID and not ((labels != VOID) & (labels != 0)).any():
        return (labels == VOID).astype(np.uint8)
    return ((labels != 0) & (labels != VOID)).astype(np.uint8)


def _read(what: str, path: Path) -> np.ndarray:
    try:
        return read_labels(path)
    except MaskError as error:
        raise MaskError(f"{what} {path}: {error}") from error


def size_problem(frame: FramePlan, pred_hw: tuple[int, ...], gt_hw: tuple[int, ...]) -> str:
    """Say why a prediction of another size is not scored."""
    return (
        f"prediction {frame.pred} is {pred_hw[1]}x{pred_hw[0]}; the ground truth is "
        f"{gt_hw[1]}x{gt_hw[0]}, and a prediction must have its size"
    )
