"""The worst frames, as thumbnails of what was missed and what was too much."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from vos_eval.png import read_labels
from vos_eval.protocols.base import ObjectScore, Score
from vos_eval.protocols.plan import FramePlan, Labels, Plan, SequencePlan

_WORST_FRAMES = 12
_PER_OBJECT = 2
_THUMB_WIDTH_PX = 360
_RIGHT_RGB, _MISSED_RGB, _SURPLUS_RGB = (46, 204, 113), (52, 120, 246), (239, 68, 68)


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
    candidates = []
    for item in objects:
        jf = item.j + item.f
        taken: list[int] = []
        for index in np.argsort(jf, kind="stable").tolist():
            if len(taken) == _PER_OBJECT or jf[index] == 2:
                break
            if all(abs(index - other) > max(1, len(jf) // 4) for other in taken):
                taken.append(index)
        candidates += [(float(jf[index]), item, index) for index in taken]
    candidates.sort(key=lambda one: one[0])
    return [(item, index) for _, item, index in candidates[:_WORST_FRAMES]]


def _draw_thumbnail(sequence: SequencePlan, frame: FramePlan, object_id: int, gt_dir: Path) -> str:
    gt = _mask(read_labels(frame.gt), sequence.labels, object_id)
    if frame.pred is None:
        pred = np.zeros_like(gt)
    else:
        pred = _mask(read_labels(frame.pred), sequence.labels, object_id)
    base = _read_grey(gt_dir, sequence.video, frame.name, gt.shape)
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
    return np.full((*size_hw, 3), 64, np.uint8)
