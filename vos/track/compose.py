"""From the model's logits to masks at the video's size."""

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
    """One object's answer on one frame, at the model's mask size, off the device's graph."""

    logits: Float[Tensor, "1 1 r r"]
    scores: ObjectResult


def compose(frame: Frame, objects: Mapping[int, ObjectLogits]) -> FrameResult:
    """Logits to the video's size (bilinear, fp32), then one label per pixel: the highest logit
    wins.

    Background where all are <= 0; on a tie the lowest id wins. Where a GPU has no memory for masks
    of that size they are made on the CPU, which the log says.
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
    """Palette labels at `size_hw` from per-object logits of any size."""
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
    """Source: `SAM2VideoPredictor._get_orig_video_res_output`."""
    if tuple(logits.shape[-2:]) == size_hw:
        return logits.float()
    return F.interpolate(logits.float(), size=size_hw, mode="bilinear", align_corners=False)


def detach_results(answers: Mapping[int, Decoded]) -> dict[int, ObjectLogits]:
    """What users get of the objects' answers (batch 1 each). A GPU is waited for once."""
    if not answers:
        return {}
    scores = torch.stack([torch.cat([a.iou_pred[0], a.object_score[0]]) for a in answers.values()])
    return {
        object_id: ObjectLogits(answer.output_logits, ObjectResult(iou_pred, object_score))
        for (object_id, answer), (iou_pred, object_score) in zip(
            answers.items(), scores.tolist(), strict=True
        )
    }
