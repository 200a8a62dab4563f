"""How the frozen base and a refiner answer for an object that is known to be there."""

from __future__ import annotations

from dataclasses import replace

import torch

from vos.model.sam2 import Sam2Model
from vos.model.types import Decoded, FrameFeatures, ModelPrompt, Recall
from vos.refine.base import Asked, FrameCache, Refiner
from vos.track.memory_bank import MemoryBank
from vos.track.policy import Fifo, StreamPosition

PRESENT = 10.0
"""An object score that hides nothing."""


def answer_prompt(
    model: Sam2Model,
    refiner: Refiner,
    features: FrameFeatures,
    cache: FrameCache,
    prompt: ModelPrompt,
    before: Decoded | None = None,
) -> Decoded:
    """A prompt on a still, decoded and refined. before: the answer that the prompt corrects."""
    asked = Asked(now=prompt, first=prompt, before=before)
    return _answer(model, refiner, features, cache, asked, None)


def answer_tracked(
    model: Sam2Model,
    refiner: Refiner,
    features: FrameFeatures,
    cache: FrameCache,
    bank: MemoryBank,
) -> Decoded:
    """Frame 1, without a prompt, from the memory of frame 0."""
    asked = Asked(now=None, first=bank.first_prompt)
    return _answer(
        model, refiner, features, cache, asked, Fifo().select(bank, StreamPosition(frame_idx=1))
    )


def _answer(
    model: Sam2Model,
    refiner: Refiner,
    features: FrameFeatures,
    cache: FrameCache,
    asked: Asked,
    recall: Recall | None,
) -> Decoded:
    """The object score is overruled: a wrong "absent" would replace the mask, and its gradient, by
    a constant.
    """
    embedding = refiner.fuse(model.condition(features, recall), cache, asked)
    coarse = model.decode(embedding, features, asked.now, first=recall is None)
    present = torch.full_like(coarse.object_score, PRESENT)
    coarse = replace(coarse, object_score=present, mask_logits=coarse.raw_logits)
    return refiner.refine(coarse, features, cache, asked)
