"""Compose masks at the video's size from the model's logits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from vos.frame import Frame, FrameResult, ObjectResult
from vos.model.gpu.transfer import Uploaded, fetch_later
from vos.model.types import Decoded
from vos.track.mattes import matte_pixels
from vos.track.resize import resize_to_video

MakePixels = Callable[[Mapping[int, Tensor], tuple[int, int]], Tensor]
"""(logits by object id, height and width) -> a label map, or a matte of each object."""

Draw = Callable[[UInt8[Tensor, "h w 3"], UInt8[Tensor, "h w"]], UInt8[Tensor, "h2 w2"]]
"""(image, label map) -> the planes of `FrameResult.overlay_yuv`."""

_log = logging.getLogger("vos")


@dataclass(frozen=True, slots=True)
class ObjectLogits:
    """One object's prediction on one frame, without gradients, on the model's device.

    logits: at the model's mask size, or a refiner's.
    score_pair: predicted IoU and object score.
    alternatives: the decoder's masks before one was chosen and refined, at the model's mask size:
        the single one, then the others where it gave several; None where a pass stored only logits.
    alternative_ious: predicted IoU of each alternative.
    """

    logits: Float[Tensor, "1 1 r r"]
    score_pair: Float[Tensor, 2]
    alternatives: Float[Tensor, "1 k s4 s4"] | None = None
    alternative_ious: Float[Tensor, "1 k"] | None = None

    @property
    def scores(self) -> ObjectResult:
        """Return the scores as numbers, once the device has them."""
        return ObjectResult(*self.score_pair.tolist())

    def mask(self, size_hw: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
        """Return the object's own mask at this height and width; masks of objects may overlap."""
        return (resize_to_video(self.logits, size_hw)[0, 0] > 0).cpu().numpy()


@dataclass(frozen=True, slots=True)
class Composing:
    """A frame's result that the device may still work on.

    ids: of its objects. fetch: waits for the label map, and, if there are objects, for their
    scores, for their mattes where `is_soft`, and for the planes of the overlay where it is drawn.
    """

    frame: Frame
    ids: tuple[int, ...]
    fetch: Callable[[], list[np.ndarray]]
    is_soft: bool = False

    @property
    def nbytes(self) -> int:
        """Return the bytes of the frame and of the mattes, for queues."""
        height, width = self.frame.size_hw
        return self.frame.nbytes + (len(self.ids) * height * width if self.is_soft else 0)

    def wait(self) -> FrameResult:
        """Return the result once it is there."""
        labels, *more = self.fetch()
        rows = more.pop(0).tolist() if more else []
        mattes = more.pop(0) if self.is_soft and more else ()
        return FrameResult(
            frame_idx=self.frame.frame_idx,
            pts=self.frame.pts,
            name=self.frame.name,
            label_map=labels,
            objects={i: ObjectResult(*row) for i, row in zip(self.ids, rows, strict=True)},
            is_corrupt=self.frame.is_corrupt,
            overlay_yuv=more[0] if more else None,
            mattes=dict(zip(self.ids, mattes, strict=self.is_soft)),
        )


def compose(frame: Frame, objects: Mapping[int, ObjectLogits]) -> FrameResult:
    """Resize logits to the video's size and label each pixel: the highest logit wins.

    A pixel is background where all are <= 0; on a tie the lowest id wins.
    """
    return begin_to_compose(frame, objects).wait()


def begin_to_compose(
    frame: Frame,
    objects: Mapping[int, ObjectLogits],
    make_labels: MakePixels | None = None,
    draw: Draw | None = None,
    make_mattes: MakePixels | None = None,
) -> Composing:
    """Compose as `compose` does, without waiting for the device.

    make_labels: a quicker form of `label_pixels`. draw: draws the overlay of a frame that is on the
    device, None where nobody wants it there. make_mattes: `matte_pixels` or a quicker form of it,
    None where nobody wants soft mattes. Where a GPU has no memory for masks of that size they
    are made on the CPU, which the log notes.
    """
    if not objects:
        empty = np.zeros(frame.size_hw, dtype=np.uint8)
        return Composing(frame, (), lambda: [empty])
    ids = tuple(sorted(objects))
    # Those of an earlier pass waited on the host.
    device = max((one.logits.device for one in objects.values()), key=_is_gpu)
    logits = {i: objects[i].logits.to(device) for i in ids}
    mattes: list[Tensor] = []
    try:
        labels = (make_labels or label_pixels)(logits, frame.size_hw)
        if make_mattes is not None:
            mattes = [make_mattes(logits, frame.size_hw)]
    except torch.OutOfMemoryError:
        _log.warning(
            "vos: warning: frame %d: GPU memory is full; its masks are made on the CPU",
            frame.frame_idx,
        )
        on_cpu = {i: one.cpu() for i, one in logits.items()}
        labels = label_pixels(on_cpu, frame.size_hw)
        if make_mattes is not None:
            mattes = [matte_pixels(on_cpu, frame.size_hw)]
    is_soft = make_mattes is not None
    scores = torch.stack([objects[i].score_pair.to(device) for i in ids])
    if labels.device == scores.device:
        found = [labels, scores, *mattes]
        if draw is not None and isinstance(frame.uploaded, Uploaded):
            found.append(draw(frame.uploaded.get()[0], labels))
        return Composing(frame, ids, fetch_later(found), is_soft)
    made = [one.numpy() for one in (labels, *mattes)]
    return Composing(frame, ids, lambda: [made[0], scores.cpu().numpy(), *made[1:]], is_soft)


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
    """Label pixels as `label_map` does, on the device and without waiting for it.

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


def detach_results(predictions: Mapping[int, Decoded]) -> dict[int, ObjectLogits]:
    """Return what users get of predictions (batch 1 each), without gradients."""
    if not predictions:
        return {}
    decoded = predictions.values()
    iou_preds = torch.cat([one.iou_pred for one in decoded])
    object_scores = torch.cat([one.object_score for one in decoded])
    pairs = torch.cat([iou_preds, object_scores], dim=1).float()
    return {
        object_id: ObjectLogits(one.output_logits, pair, one.all_logits, one.all_iou_pred)
        for (object_id, one), pair in zip(predictions.items(), pairs.unbind(), strict=True)
    }


def _is_gpu(device: torch.device) -> bool:
    return device.type != "cpu"
