"""Scores of a nano on the held-out generated clips."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from vos.model.prepare import set_image_size
from vos.model.preprocess import normalise
from vos.model.sam2 import Sam2Model
from vos.refine.base import NoRefiner, Refiner
from vos.synth.clips import generate_clips
from vos.track.engine import Engine, encode_frame
from vos.track.memory_bank import MemoryBank
from vos.track.policy import Fifo, StreamPosition
from vos.track.step import track_frame
from vos.train.losses import mask_iou
from vos.train.prompts import sample_prompt

EVAL_SEED = 20_260_101


@torch.inference_mode()
def evaluate(
    model: Sam2Model,
    *,
    size_px: int,
    clips: int = 100,
    frames: int = 16,
    kind: str = "box",
    batch: int = 10,
    refiner: Refiner | None = None,
) -> list[float]:
    """Return mean J per frame position on the held-out set, tracked from the first frame.

    kind: "box" (tight), "mask" or "clicks:N". refiner: None for the model alone. A mask prompt's
    own frame counts as J 1 by construction.
    """
    set_image_size(model.net, size_px)
    engine = Engine(model, refiner or NoRefiner(), Fifo())
    sums = torch.zeros(frames)
    for images, masks, generator in held_out(model.device, size_px, clips, frames, batch):
        banks: dict[int, MemoryBank] = {}
        for t in range(frames):
            prompts = {}
            if t == 0:
                prompts[1] = sample_prompt(masks[:, 0], kind, generator)
            frame = encode_frame(engine, images[:, t], StreamPosition(t))
            decoded, banks = track_frame(engine, frame, banks, prompts)
            sums[t] += prediction_iou(decoded[1].output_logits, masks[:, t]).sum().cpu()
    return (sums / clips).tolist()


def held_out(
    device: torch.device, size_px: int, clips: int = 100, frames: int = 16, batch: int = 10
) -> Iterator[tuple[Float[Tensor, "b t 3 s s"], Bool[Tensor, "b t s s"], torch.Generator]]:
    """Yield the held-out clips in batches: network inputs, masks, and what draws their prompts."""
    for seed in range(EVAL_SEED, EVAL_SEED + clips, batch):
        data = generate_clips(batch, frames, size_px, seed, device=str(device))
        generator = torch.Generator(device=device).manual_seed(seed)
        yield normalise(data.frames.float() / 255.0), data.masks, generator


def prediction_iou(
    logits: Float[Tensor, "b 1 r r"], masks: Bool[Tensor, "b s s"]
) -> Float[Tensor, " b"]:
    """Return J of the decoder's masks at the size of the truth."""
    full = F.interpolate(logits, masks.shape[-2:], mode="bilinear", align_corners=False)
    return mask_iou(full[:, 0], masks.float())
