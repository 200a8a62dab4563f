"""Decoding and scoring one task: some frames of one video.

Frames are independent, and counts of pixels decide the scores, so the digits do not depend on how
frames are cut into tasks, nor on which process does one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vos_eval.metrics.boundary import Boundary, adaptive_radii_px
from vos_eval.metrics.jf import JF, FramePair, Scorer
from vos_eval.metrics.packed import CroppedPair
from vos_eval.png import MaskError, read_labels
from vos_eval.protocols.plan import FramePlan, Labels, Measure

FOREGROUND_ID = 1
VOID = 255
_KEPT_BYTES = 31 << 20


@dataclass(frozen=True, slots=True)
class FrameOutcome:
    """One scored frame.

    scores: object id -> J and F, for the planned or the present objects.
    gt_ids: ids present in the ground truth, where the masks decide what is scored.
    unscored_ids: ids present in the ground truth that lie above those to be scored.
    surplus_ids: ids present in the prediction that lie above those to be scored.
    size_px: pixels of the image.
    problem: why the frame could not be scored; None where it was.
    """

    scores: dict[int, JF]
    gt_ids: frozenset[int] = frozenset()
    unscored_ids: frozenset[int] = frozenset()
    surplus_ids: frozenset[int] = frozenset()
    size_px: int = 0
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A few frames of one sequence of the plan, with all that is needed to score them elsewhere.

    sequence_index: place of the sequence in the plan.
    title: name of the sequence in messages.
    frames: the frames to score.
    labels: what a pixel value means.
    max_label: highest id to score, as in `SequencePlan`.
    boundary: contour rule.
    measure: definition of J and F.
    leaves_void_out: as in `SequencePlan`.
    """

    sequence_index: int
    title: str
    frames: tuple[FramePlan, ...]
    labels: Labels
    max_label: int
    boundary: Boundary
    measure: Measure = Measure.DAVIS
    leaves_void_out: bool = False


def keep_freed_memory() -> None:
    """Let the C library keep what a frame frees for the next one.

    A frame needs several MB for a moment. By default glibc gives them back to the system each time,
    and getting fresh pages costs as much as the scoring itself. Freeing one large block raises its
    thresholds (mallopt(3), M_MMAP_THRESHOLD); the block is never touched, so it costs nothing.
    """
    bytearray(_KEPT_BYTES)


def score_task(task: Task) -> list[FrameOutcome]:
    """Score the frames of a task; one outcome per frame, in order."""
    scorer = Scorer(task.boundary, smooths_j=task.measure is Measure.MOSEV2)
    queued = [_queue_frame(task, frame, scorer) for frame in task.frames]
    scores = iter(scorer.scores())
    return [replace(outcome, scores={i: next(scores) for i in ids}) for ids, outcome in queued]


_Queued = tuple[Sequence[int], FrameOutcome]
"""A decoded frame: the objects handed to the scorer, in order, and all but their scores."""


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
        if task.leaves_void_out:
            pred = np.where(gt == VOID, np.uint8(0), pred)
        pair = FramePair(gt, pred)
        if task.labels in (Labels.FOREGROUND, Labels.BINARY, Labels.MERGED):
            return _queue_foreground(task, frame, pair, scorer)
    except MaskError as error:
        return (), FrameOutcome({}, problem=f"{task.title}: {error}")
    ids, gt_ids = frame.object_ids, frozenset[int]()
    if task.labels is Labels.PRESENT:
        gt_ids, pred_ids = pair.object_ids()
        ids = sorted(gt_ids | pred_ids)
    for object_id in ids:
        _add(task, pair, pair.crop(object_id), scorer)
    return ids, FrameOutcome({}, gt_ids, *_above(pair, task.max_label), gt.size)


def _above(pair: FramePair, max_label: int) -> tuple[frozenset[int], frozenset[int]]:
    """Return the ids above `max_label` of (ground truth, prediction); nearly always none."""
    if max_label == VOID or pair.highest() <= max_label:
        return frozenset(), frozenset()
    gt_ids, pred_ids = pair.object_ids()
    return (
        frozenset(i for i in gt_ids if i > max_label),
        frozenset(i for i in pred_ids if i > max_label),
    )


def _add(task: Task, pair: FramePair, cropped: CroppedPair | None, scorer: Scorer) -> None:
    if task.measure is Measure.MOSEV2 and cropped is not None:
        own, fixed = adaptive_radii_px(pair.size_hw, cropped.count_gt())
        scorer.add(cropped, own, fixed)
    else:
        scorer.add(cropped, pair.radius_px)


def _queue_foreground(task: Task, frame: FramePlan, pair: FramePair, scorer: Scorer) -> _Queued:
    """Queue the one object, of any value; where it may appear late, empty frames have no score."""
    gt_ids, pred_ids = pair.object_ids()
    if task.labels is not Labels.MERGED:
        _check_one_value("ground truth", frame.gt, gt_ids, task.labels)
        _check_one_value("prediction", frame.pred, pred_ids, task.labels)
    height, width = pair.size_hw
    if task.labels is Labels.FOREGROUND and not gt_ids and not pred_ids:
        return (), FrameOutcome({}, size_px=height * width)
    _add(task, pair, pair.crop_foreground(), scorer)
    gt_ids = frozenset({FOREGROUND_ID} if gt_ids else ())
    return (FOREGROUND_ID,), FrameOutcome({}, gt_ids, size_px=height * width)


def _check_one_value(what: str, path: Path | None, ids: frozenset[int], labels: Labels) -> None:
    is_binary = labels is Labels.BINARY
    if len(ids) > 1 or (is_binary and not ids <= {FOREGROUND_ID, VOID}):
        raise MaskError(
            f"{what} {path} has labels {', '.join(map(str, sorted(ids)))}; a mask of one "
            f"object has {'1 or 255' if is_binary else 'one value'} beside 0"
        )


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
