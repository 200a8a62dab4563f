"""How the frozen base and a refiner mask an object that is known to be there."""

from __future__ import annotations

from dataclasses import replace

import torch

from vos.model.types import Decoded, ModelPrompt
from vos.track.engine import EncodedFrame, Engine
from vos.track.memory_bank import MemoryBank
from vos.track.policy import StreamPosition
from vos.track.step import decode_group, find_memories

PRESENT = 10.0
"""An object score that hides nothing."""


def decode_prompt(
    engine: Engine, frame: EncodedFrame, prompt: ModelPrompt, before: Decoded | None = None
) -> Decoded:
    """Decode and refine a prompt on a still. before: the prediction that the prompt corrects."""
    return _decode(engine, frame, MemoryBank(), prompt, before)


def decode_tracked(engine: Engine, frame: EncodedFrame, bank: MemoryBank) -> Decoded:
    """Decode and refine a frame without a prompt, from the memory of frame 0."""
    return _decode(engine, replace(frame, at=StreamPosition(1)), bank, None, None)


def _decode(
    engine: Engine,
    frame: EncodedFrame,
    bank: MemoryBank,
    prompt: ModelPrompt | None,
    before: Decoded | None,
) -> Decoded:
    one = find_memories(engine, frame.at, 1, bank, prompt, before)
    return decode_group(engine, frame, [one], _make_present)[0]


def _make_present(decoded: Decoded) -> Decoded:
    """Overrule the object score: a wrong "absent" would replace the mask, and its gradient, by a
    constant.
    """
    present = torch.full_like(decoded.object_score, PRESENT)
    return replace(decoded, object_score=present, mask_logits=decoded.raw_logits)
