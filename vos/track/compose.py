"""Compose masks at the video's size from the model's logits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from vos.frame import Frame, FrameResult, ObjectResult
from vos.model.gpu.transfer import Uploaded, fetch_later
from vos.model.types import Decoded

MakeLabels = Callable[[Mapping[int, Tensor], tuple[int, int]], Tensor]
Draw = Callable[[UInt8[Tensor, "h w 3"], UInt8[Tensor, "h w"]], UInt8[Tensor, "h2 w2"]]
"""(image, label map) -> the planes of `FrameResult.overlay_yuv`."""

_log = logging.getLogger("vos")


@dataclass(frozen=True, slots=True)
class ObjectLogits:
    """One object's prediction on one frame, without gradients, on the model's device.

    logits: at the model's mask size, or a refiner's.
    score_pair: predicted IoU and object score.
    """

    logits: Float[Tensor, "1 1 r r"]
    score_pair: Float[Tensor, 2]

    @property
    def scores(self) -> ObjectResult:
        """Return the scores as numbers, once the device has them."""
        return ObjectResult(*self.score_pair.tolist())


@dataclass(frozen=True, slots=True)
class Composing:
    """A frame's result that the device may still work on.

    ids: of its objects. fetch: waits for the label map, and, if there are objects, for their scores
    and for the planes of the overlay where it is drawn.
    """

    frame: Frame
    ids: tuple[int, ...]
    fetch: Callable[[], list[np.ndarray]]

    @property
    def nbytes(self) -> int:
        """Return the bytes of the frame, for queues."""
        return self.frame.nbytes

    def wait(self) -> FrameResult:
        """Return the result once it is there."""
        labels, *more = self.fetch()
        rows = more[0].tolist() if more else []
        return FrameResult(
            frame_idx=self.frame.frame_idx,
            pts=self.frame.pts,
            name=self.frame.name,
            label_map=labels,
            objects={i: ObjectResult(*row) for i, row in zip(self.ids, rows, strict=True)},
            is_corrupt=self.frame.is_corrupt,
            overlay_yuv=more[1] if len(more) > 1 else None,
        )


def compose(frame: Frame, objects: Mapping[int, ObjectLogits]) -> FrameResult:
    """Resize logits to the video's size and label each pixel: the highest logit wins.

    A pixel is background where all are <= 0; on a tie the lowest id wins.
    """
    return begin_to_compose(frame, objects).wait()


def begin_to_compose(
    frame: Frame,
    objects: Mapping[int, ObjectLogits],
    make_labels: MakeLabels | None = None,
    draw: Draw | None = None,
) -> Composing:
    """Compose as `compose` does, without waiting for the device.

    make_labels: a quicker form of `label_pixels`. draw: draws the overlay of a frame that is on the
    device, None where nobody wants it there. Where a GPU has no memory for masks of that size they
    are made on the CPU, which the log notes.
    """
    if not objects:
        empty = np.zeros(frame.size_hw, dtype=np.uint8)
        return Composing(frame, (), lambda: [empty])
    ids = tuple(sorted(objects))
    # Those of an earlier pass waited on the host.
    device = max((one.logits.device for one in objects.values()), key=_is_gpu)
    logits = {i: objects[i].logits.to(device) for i in ids}
    try:
        labels = (make_labels or label_pixels)(logits, frame.size_hw)
    except torch.OutOfMemoryError:
        _log.warning(
            "vos: warning: frame %d: GPU memory is full; its masks are made on the CPU",
            frame.frame_idx,
        )
        labels = label_pixels({i: one.cpu() for i, one in logits.items()}, frame.size_hw)
    scores = torch.stack([objects[i].score_pair.to(device) for i in ids])
    if labels.device == scores.device:
        found = [labels, scores]
        if draw is not None and isinstance(frame.uploaded, Uploaded):
            found.append(draw(frame.uploaded.get()[0], labels))
        return Composing(frame, ids, fetch_later(found))
    return Composing(frame, ids, lambda: [labels.numpy(), scores.cpu().numpy()])


def label_map(
    logits: Mapping[int, Float[Tensor, "1 1 r r"]], size_hw: tuple[int, int]
) -> UInt8[np.ndarray, "h w"]:
    """Make palette labels at `size_hw` from per-object logits of any size."""
    if not logits:
        return np.zeros(size_hw, dtype=np.uint8)
    return label_pixels(dict(sorted(logits.items())), size_hw).cpu().numpy()


def label_pixels(
    logits: Mapping[int, Float[Tensor, "1 1 r r"]], size_hw: tuple[int, int]
) -> UInt8[Tensor, "h w"]:
    """Label pixels as `label_map` does, on the device and without looking at a value.

    logits: of one object at least, in ascending order of their ids.
    """
    best: Tensor | None = None
    labels: Tensor | None = None
    for object_id, one in logits.items():
        full = resize_to_video(one, size_hw)[0, 0]
        if best is None or labels is None:
            best = full.clamp(min=0)
            labels = (full > 0).to(torch.uint8) * object_id
            continue
        labels.masked_fill_(full > best, object_id)
        best = torch.maximum(best, full)
    assert labels is not None
    return labels


def resize_to_video(
    logits: Float[Tensor, "1 1 r r"], size_hw: tuple[int, int]
) -> Float[Tensor, "1 1 h w"]:
    """Resize bilinearly. Source: `SAM2VideoPredictor._get_orig_video_res_output`."""
    if tuple(logits.shape[-2:]) == size_hw:
        return logits.float()
    return F.interpolate(logits.float(), size=size_hw, mode="bilinear", align_corners=False)


def detach_results(predictions: Mapping[int, Decoded]) -> dict[int, ObjectLogits]:
    """Detach what users get of predictions (batch 1 each)."""
    if not predictions:
        return {}
    decoded = predictions.values()
    iou_preds = torch.cat([one.iou_pred for one in decoded])
    object_scores = torch.cat([one.object_score for one in decoded])
    pairs = torch.cat([iou_preds, object_scores], dim=1).float()
    return {
        object_id: ObjectLogits(one.output_logits, pair)
        for (object_id, one), pair in zip(predictions.items(), pairs.unbind(), strict=True)
    }


def _is_gpu(device: torch.device) -> bool:
    return device.type != "cpu"
