"""Compose masks at the video's size from the model's logits."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from vos.frame import Frame, FrameResult, ObjectResult
from vos.model.types import Decoded

_log = logging.getLogger("vos")


@dataclass(frozen=True, slots=True)
class ObjectLogits:
    """One object's prediction on one frame, without gradients.

    logits: at the model's mask size, or a refiner's.
    scores: predicted IoU and object score.
    """

    logits: Float[Tensor, "1 1 r r"]
    scores: ObjectResult


def compose(frame: Frame, objects: Mapping[int, ObjectLogits]) -> FrameResult:
    """Resize logits to the video's size and label each pixel: the highest logit wins.

    A pixel is background where all are <= 0; on a tie the lowest id wins. Where a GPU has no memory
    for masks of that size they are made on the CPU, which the log notes.
    """
    logits = {i: o.logits for i, o in objects.items()}
    try:
        labels = label_map(logits, frame.size_hw)
    except torch.OutOfMemoryError:
        _log.warning(
            "vos: warning: frame %d: GPU memory is full; its masks are made on the CPU",
            frame.frame_idx,
        )
        labels = label_map({i: one.cpu() for i, one in logits.items()}, frame.size_hw)
    return FrameResult(
        frame_idx=frame.frame_idx,
        pts=frame.pts,
        name=frame.name,
        label_map=labels,
        objects={i: objects[i].scores for i in sorted(objects)},
        is_corrupt=frame.is_corrupt,
    )


def label_map(
    logits: Mapping[int, Float[Tensor, "1 1 r r"]], size_hw: tuple[int, int]
) -> UInt8[np.ndarray, "h w"]:
    """Make palette labels at `size_hw` from per-object logits of any size."""
    best: Tensor | None = None
    labels: Tensor | None = None
    for object_id in sorted(logits):
        full = resize_to_video(logits[object_id], size_hw)[0, 0]
        if best is None or labels is None:
            best = full.clamp(min=0)
            labels = (full > 0).to(torch.uint8) * object_id
            continue
        wins = full > best
        labels[wins] = object_id
        best = torch.maximum(best, full)
    if labels is None:
        return np.zeros(size_hw, dtype=np.uint8)
    return labels.cpu().numpy()


def resize_to_video(
    logits: Float[Tensor, "1 1 r r"], size_hw: tuple[int, int]
) -> Float[Tensor, "1 1 h w"]:
    """Resize bilinearly. Source: `SAM2VideoPredictor._get_orig_video_res_output`."""
    if tuple(logits.shape[-2:]) == size_hw:
        return logits.float()
    return F.interpolate(logits.float(), size=size_hw, mode="bilinear", align_corners=False)


def detach_results(predictions: Mapping[int, Decoded]) -> dict[int, ObjectLogits]:
    """Detach what users get of predictions (batch 1 each), waiting for a GPU once only."""
    if not predictions:
        return {}
    decoded = predictions.values()
    scores = torch.stack([torch.cat([one.iou_pred[0], one.object_score[0]]) for one in decoded])
    return {
        object_id: ObjectLogits(prediction.output_logits, ObjectResult(iou_pred, object_score))
        for (object_id, prediction), (iou_pred, object_score) in zip(
            predictions.items(), scores.tolist(), strict=True
        )
    }
