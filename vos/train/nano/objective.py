"""What nano is trained to minimise: losses of prompted stills and of clips through the memory."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool
from torch import Tensor

from vos.model.sam2 import Sam2Model
from vos.model.types import Decoded, FrameFeatures, ModelPrompt
from vos.refine.base import NoRefiner
from vos.track.engine import EncodedFrame, Engine
from vos.track.memory_bank import MemoryBank
from vos.track.policy import Fifo, StreamPosition
from vos.track.step import decode_group, find_memories, track_frame
from vos.train.losses import LossWeights, prediction_loss
from vos.train.prompts import add_another, cut_off_part, sample_correction, sample_prompt

CORRECTED_WEIGHT = 3.0
"""How many frames the loss of a corrected frame counts for: there is one in a clip."""


def _pick_kind(generator: torch.Generator, kinds: dict[str, float]) -> str:
    draw = float(torch.rand((), generator=generator, device=generator.device))
    for kind, share in kinds.items():
        draw -= share
        if draw <= 0:
            return kind
    return next(reversed(kinds))


def _encode(model: Sam2Model, images: Tensor, rows: Tensor) -> FrameFeatures:
    """Encode each image once and repeat all but its keys per object.

    What only refiners read is left out. rows: image by image, as many objects of each.
    """
    found = model.encode_image(images)
    found = replace(found, image=found.image[:, :0], fpn4=None, fpn8=None)
    return replace(found.rows(rows), keys=found.keys, memory_keys=found.memory_keys)


def _decoded_loss(prediction: Decoded, masks: Tensor, *, alternatives: bool) -> Tensor:
    return prediction_loss(
        prediction.all_logits,
        prediction.all_iou_pred,
        prediction.object_score,
        masks,
        alternatives=alternatives,
        weights=LossWeights(),
    )


def image_loss(
    model: Sam2Model, images: Tensor, rows: Tensor, masks: Tensor, generator: torch.Generator
) -> Tensor:
    """Return the loss of a prompt on a still and, half the time, of one to three correcting clicks
    on top.
    """
    kind = _pick_kind(generator, {"box": 0.55, "clicks:1": 0.2, "clicks:3": 0.25})
    prompt = sample_prompt(masks, kind, generator)
    features = _encode(model, images, rows)
    embedding = model.condition(features, ())
    clicks = int(_pick_kind(generator, {"0": 0.5, "1": 0.2, "2": 0.15, "3": 0.15}))
    prediction = model.decode(embedding, features, prompt, first=True)
    total = _decoded_loss(prediction, masks, alternatives=kind == "clicks:1")
    for _ in range(clicks):
        prompt = sample_correction(masks, prediction.raw_logits.detach(), generator, prompt)
        prediction = model.decode(embedding, features, prompt, first=True)
        total = total + _decoded_loss(prediction, masks, alternatives=False)
    return total / (1 + clicks)


def clip_loss(
    model: Sam2Model,
    images: Tensor,
    rows: Tensor,
    masks: Tensor,
    generator: torch.Generator,
    rolled: int = 0,
) -> Tensor:
    """Return the loss of tracking a clip from its first frame; mostly, clicks correct one later.

    Of some first masks a part is missing, and some hold another object too: what is tracked is
    wrong until it is corrected, and has no loss before.

    rolled: this many frames at the beginning have neither gradient nor loss.
    """
    kind = _pick_kind(generator, {"box": 0.4, "mask": 0.4, "clicks:1": 0.05, "clicks:3": 0.15})
    frames = images.shape[1]
    correct_at = -1
    if _pick_kind(generator, {"correct": 0.7, "never": 0.3}) == "correct":
        first = max(1, rolled)
        correct_at = int(
            torch.randint(first, frames, (), generator=generator, device=generator.device)
        )
    given = masks[:, 0]
    start = "right"
    if correct_at > 0:
        start = _pick_kind(generator, {"less": 0.2, "more": 0.2, "right": 0.6})
    if start != "right":
        kind, rolled = "mask", correct_at
        is_less = start == "less"
        given = cut_off_part(given, generator) if is_less else add_another(given, len(images))
    engine = Engine(model, NoRefiner(), Fifo(), obeys_clicks=False)
    banks: dict[int, MemoryBank] = {}
    total = images.new_zeros(())
    for t in range(frames):
        prompts = {}
        with torch.set_grad_enabled(t >= rolled):
            frame = EncodedFrame(_encode(model, images[:, t], rows), {}, StreamPosition(t))
            if t == 0:
                prompts[1] = sample_prompt(given, kind, generator)
            elif t == correct_at:
                prompts[1] = correcting_clicks(engine, frame, banks[1], masks[:, t], generator)
            decoded, banks = track_frame(engine, frame, banks, prompts)
        if t < rolled or (t == 0 and kind == "mask"):
            continue
        with_alternatives = t == 0 and kind == "clicks:1"
        loss = _decoded_loss(decoded[1], masks[:, t], alternatives=with_alternatives)
        total = total + (CORRECTED_WEIGHT * loss if t == correct_at else loss)
    return total / (frames - rolled)


@torch.no_grad()
def correcting_clicks(
    engine: Engine,
    frame: EncodedFrame,
    bank: MemoryBank,
    masks: Bool[Tensor, "b s s"],
    generator: torch.Generator,
) -> ModelPrompt:
    """Draw one to three clicks, each where the tracked and corrected prediction is wrong."""
    clicks = int(torch.randint(1, 4, (), generator=generator, device=generator.device))
    prompt = None
    for _ in range(clicks):
        one = find_memories(engine, frame.at, 1, bank, prompt)
        (prediction,) = decode_group(engine, frame, [one])
        prompt = sample_correction(masks, prediction.raw_logits, generator, prompt)
    assert prompt is not None
    return prompt
