"""The worst frames, as thumbnails of what was missed and what was too much."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from vos_eval.png import read_labels
from vos_eval.protocols.base import ObjectScore, Score
from vos_eval.protocols.plan import FramePlan, Labels, Plan, SequencePlan

_WORST_FRAMES = 12
_PER_OBJECT = 2
_THUMB_WIDTH_PX = 360
_RIGHT_RGB, _MISSED_RGB, _SURPLUS_RGB = (46, 204, 113), (52, 120, 246), (239, 68, 68)


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WorstFrame:
    """One frame of one object, for a person to look at.

    video: name of the video.
    object_id: the object.
    frame: file stem of the frame.
    j: region similarity, 0-1.
    f: contour accuracy, 0-1.
    thumbnail: a JPEG as a data URI.
    """

    video: str
    object_id: int
    frame: str
    j: float
    f: float
    thumbnail: str


def worst_frames(score: Score, plan: Plan, gt_dir: Path) -> list[WorstFrame]:
    """Return the frames of lowest J&F first, at most two of one object, and no two that touch."""
    sequences = {(s.video, s.only_object): s for s in plan.sequences}
    frames = []
    for item, index in _choose(score.objects):
        sequence = sequences.get((item.video, item.object_id)) or sequences[item.video, None]
        frame = next(f for f in sequence.frames if f.name == item.frames[index])
        frames.append(
            WorstFrame(
                item.video,
                item.object_id,
                frame.name,
                float(item.j[index]),
                float(item.f[index]),
                _draw_thumbnail(sequence, frame, item.object_id, gt_dir),
            )
        )
    return frames


def _choose(objects: Iterable[ObjectScore]) -> list[tuple[ObjectScore, int]]:
    return choose_lowest([(item, (item.j + item.f) / 2) for item in objects])


def choose_lowest(objects: Iterable[tuple[T, np.ndarray]]) -> list[tuple[T, int]]:
    """Return each frame to look at with its object: lowest values first, none that is perfect.

    objects: each with a value per frame, 0 to 1, NaN where there is none.
    """
    candidates = []
    for item, values in objects:
        taken: list[int] = []
        for index in np.argsort(values, kind="stable").tolist():
            if len(taken) == _PER_OBJECT or not values[index] < 1:
                break
            if all(abs(index - other) > max(1, len(values) // 4) for other in taken):
                taken.append(index)
        candidates += [(float(values[index]), item, index) for index in taken]
    candidates.sort(key=lambda one: one[0])
    return [(item, index) for _, item, index in candidates[:_WORST_FRAMES]]


def _draw_thumbnail(sequence: SequencePlan, frame: FramePlan, object_id: int, gt_dir: Path) -> str:
    gt = _mask(read_labels(frame.gt), sequence.labels, object_id)
    if frame.pred is None:
        pred = np.zeros_like(gt)
    else:
        pred = _mask(read_labels(frame.pred), sequence.labels, object_id)
    base = _read_grey(gt_dir, sequence.video, frame.name, gt.shape)
    return paint_difference(base, gt, pred)


def paint_difference(
    base: np.ndarray,
    gt: np.ndarray,
    pred: np.ndarray,
) -> str:
    """Return a small picture of two masks as a data URI: what both have, the first alone, and the
    second alone.

    base: uint8 H x W x 3, in grey; it is painted over. gt, pred: bool H x W.
    """
    for mask, colour in (
        (gt & pred, _RIGHT_RGB),
        (gt & ~pred, _MISSED_RGB),
        (pred & ~gt, _SURPLUS_RGB),
    ):
        base[mask] = (0.4 * base[mask] + 0.6 * np.array(colour)).astype(np.uint8)
    image = Image.fromarray(base)
    image.thumbnail((_THUMB_WIDTH_PX, 4 * _THUMB_WIDTH_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _mask(labels: np.ndarray, meaning: Labels, object_id: int) -> np.ndarray:
    if meaning in (Labels.FOREGROUND, Labels.BINARY, Labels.MERGED):
        return labels != 0
    return labels == object_id


def plain_grey(size_hw: tuple[int, ...]) -> np.ndarray:
    """Return what masks are drawn on where there is no picture, uint8 H x W x 3."""
    return np.full((*size_hw, 3), 64, np.uint8)


def as_grey(image: np.ndarray) -> np.ndarray:
    """Return an RGB picture in grey, so that colours stand out on it; both uint8 H x W x 3."""
    return np.array(Image.fromarray(image).convert("L").convert("RGB"))


def _read_grey(gt_dir: Path, video: str, name: str, size_hw: tuple[int, ...]) -> np.ndarray:
    """Read the frame in grey, so that the colours stand out; plain grey where there is none."""
    roots = (
        gt_dir / "JPEGImages",
        gt_dir.parent / "JPEGImages",
        gt_dir.parent.parent / "JPEGImages",
    )
    for folder in (path for root in roots for path in (root / "480p", root)):
        for ending in (".jpg", ".jpeg", ".png"):
            path = folder / video / f"{name}{ending}"
            if path.is_file():
                try:
                    with Image.open(path) as image:
                        grey = image.convert("L").resize((size_hw[1], size_hw[0]))
                        return np.array(grey.convert("RGB"))
                except OSError:
                    continue
    return plain_grey(size_hw)
