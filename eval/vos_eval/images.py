"""Scores of single images, mIoU and mBIoU, and the prompts to make their masks with.

The rules are HQ-SAM's: prompts are made on the label resized to the model's input, scores on the
label's own size, every image counts alike and data sets are averaged last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vos_eval.metrics.boundary_iou import boundary_iou
from vos_eval.metrics.region import jaccard

LABEL_THRESHOLD = 128
PROMPT_SIZE_PX = 1024
POINT_COUNTS = (1, 2, 5, 10)
POINT_SEEDS = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class ImageScore:
    """The scores of one image, 0-1.

    name: file stem of the image.
    iou: IoU of the masks.
    biou: IoU of the masks' boundary bands.
    """

    name: str
    iou: float
    biou: float


@dataclass(frozen=True, slots=True)
class SetScore:
    """The mean scores of the images of one set, 0-1.

    name: name of the set.
    miou: mean IoU.
    mbiou: mean boundary IoU.
    images: number of images.
    """

    name: str
    miou: float
    mbiou: float
    images: int


def score_image(name: str, label: np.ndarray, pred_mask: np.ndarray) -> ImageScore:
    """Score one image.

    label: grey uint8 H x W, object above 128.
    pred_mask: bool H x W of the same size.
    """
    gt_mask = label > LABEL_THRESHOLD
    return ImageScore(name, jaccard(gt_mask, pred_mask), boundary_iou(gt_mask, pred_mask))


def score_set(name: str, images: Sequence[ImageScore]) -> SetScore:
    """Average the images of one set, all weighing the same."""
    return SetScore(
        name,
        float(np.mean([image.iou for image in images])) if images else float("nan"),
        float(np.mean([image.biou for image in images])) if images else float("nan"),
        len(images),
    )


def average(sets: Sequence[SetScore]) -> SetScore:
    """Average the means of several sets, all weighing the same."""
    return SetScore(
        "average",
        float(np.mean([one.miou for one in sets])) if sets else float("nan"),
        float(np.mean([one.mbiou for one in sets])) if sets else float("nan"),
        sum(one.images for one in sets),
    )


def resize_label(label: np.ndarray, size_px: int = PROMPT_SIZE_PX) -> np.ndarray:
    """Resize a label to a float64 square: bilinear, without antialiasing, aspect ratio not kept.

    Pixel centres as in torch.nn.functional.interpolate(mode="bilinear", align_corners=False).
    """
    rows = _sample_positions(label.shape[0], size_px)
    columns = _sample_positions(label.shape[1], size_px)
    low, high, part = rows
    upper, lower = label[low].astype(np.float64), label[high].astype(np.float64)
    mixed = upper + (lower - upper) * part[:, None]
    low, high, part = columns
    return mixed[:, low] + (mixed[:, high] - mixed[:, low]) * part


def _sample_positions(length: int, target: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    position = np.maximum((np.arange(target) + 0.5) * (length / target) - 0.5, 0)
    low = np.minimum(np.floor(position).astype(np.int64), length - 1)
    return low, np.minimum(low + 1, length - 1), position - low


def box_prompt(label: np.ndarray) -> tuple[float, float, float, float] | None:
    """Return the tight box x1, y1, x2, y2 around the resized label, in original pixels.

    None where the resized label is empty.
    """
    inside = resize_label(label) > LABEL_THRESHOLD
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if rows.size == 0:
        return None
    scale_y, scale_x = label.shape[0] / PROMPT_SIZE_PX, label.shape[1] / PROMPT_SIZE_PX
    return (
        float(columns[0] * scale_x),
        float(rows[0] * scale_y),
        float(columns[-1] * scale_x),
        float(rows[-1] * scale_y),
    )


def point_prompts(label: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draw object pixels of the resized label, float64 count x 2 (x, y) in original pixels.

    Drawn without repetition where there are enough; empty where the resized label is.
    """
    y, x = np.nonzero(resize_label(label) > LABEL_THRESHOLD)
    if y.size == 0:
        return np.zeros((0, 2))
    rng = np.random.default_rng([seed, *label.shape, y.size])
    chosen = rng.choice(y.size, size=count, replace=y.size < count)
    scale = np.array([label.shape[1] / PROMPT_SIZE_PX, label.shape[0] / PROMPT_SIZE_PX])
    return np.stack([x[chosen], y[chosen]], axis=1) * scale
