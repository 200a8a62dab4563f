"""What a refined mask may do to the output and to the memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from vos.model.types import Decoded, DecoderState, FrameFeatures
from vos.refine.memory_gate import MemoryGate, at_side, attach, coarse_base, gate_for

SIDE = 32
GATE = MemoryGate()


def square(low: int, high: int, side: int = SIDE, logit: float = 8.0) -> torch.Tensor:
    """Logits of a square whose rows and columns run from low (in) to high (out)."""
    logits = torch.full((1, 1, side, side), -logit)
    logits[..., low:high, low:high] = logit
    return logits


def answer(coarse: torch.Tensor, score: float = 1.0) -> Decoded:
    b = coarse.shape[0]
    nothing = torch.zeros(b, 1)
    state = DecoderState(*(torch.zeros(b, 1, 1) for _ in range(4)))
    return Decoded(
        mask_logits=coarse,
        raw_logits=coarse,
        all_logits=coarse,
        all_iou_pred=nothing,
        iou_pred=nothing,
        object_score=nothing + score,
        obj_ptr=nothing,
        from_prompt=False,
        state=state,
    )


FEATURES = FrameFeatures(torch.zeros(1, 3, SIDE, SIDE), *(torch.zeros(1, 1, 1, 1),) * 2)


def test_memory_sees_changes_alone():
    coarse, refined = square(8, 24), square(9, 24, logit=3.0)
    seen = attach(answer(coarse), refined, FEATURES, gate=GATE).memory_logits
    assert seen is not None
    changed = (coarse > 0) != (refined > 0)
    assert changed.sum() == 31
    assert torch.equal(seen[changed], refined[changed])
    assert torch.equal(seen[~changed], coarse[~changed])


@pytest.mark.parametrize("refined", [square(8, 17), square(0, 28), square(0, 0), square(26, 32)])
def test_memory_stays_coarse_where_the_gate_disagrees(refined):
    coarse = square(8, 24)
    attached = attach(answer(coarse), refined, FEATURES, gate=GATE)
    assert torch.equal(attached.memory_logits, coarse)
    assert torch.equal(attached.output_logits, refined)


def test_the_gate_decides_row_by_row():
    coarse = torch.cat([square(8, 24)] * 2)
    refined = torch.cat([square(8, 23), square(8, 12)])
    seen = attach(answer(coarse), refined, FEATURES, gate=GATE).memory_logits
    assert torch.equal(seen > 0, torch.cat([refined[:1], coarse[1:]]) > 0)


def test_gate_bounds():
    coarse = square(0, 10)
    assert GATE.agrees(square(0, 0), square(0, 0)).all(), "two empty masks"
    assert not GATE.agrees(coarse, square(0, 0)).any()
    wide = torch.full_like(coarse, -8.0)
    wide[..., :10, :14] = 8.0  # IoU 100/140
    assert GATE.agrees(wide, coarse).all()
    wide[..., :10, :15] = 8.0  # IoU 100/150
    assert not GATE.agrees(wide, coarse).any()
    loose = MemoryGate(min_iou=0.1)
    double = square(0, 0)
    double[..., :20, :10] = 8.0
    assert loose.agrees(double, coarse).all()
    double[..., :20, :11] = 8.0
    assert not loose.agrees(double, coarse).any()
    assert not loose.agrees(coarse, double).any()


def test_without_a_gate_memory_is_left_alone():
    attached = attach(answer(square(8, 24)), square(9, 24), FEATURES, gate=gate_for("coarse"))
    assert attached.memory_logits is None
    assert gate_for("refined") == GATE


def test_an_unchanged_mask_leaves_the_memory_input_bit_for_bit():
    coarse = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 10
    decoded = answer(coarse)
    attached = attach(decoded, coarse_base(decoded, SIDE), FEATURES, gate=GATE)
    usual = F.interpolate(coarse, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    assert torch.equal(attached.memory_logits, usual)
    chosen = replace(decoded, memory_logits=usual * 1.0001)
    attached = attach(chosen, coarse_base(decoded, SIDE), FEATURES, gate=GATE)
    assert torch.equal(attached.memory_logits, chosen.memory_logits)


def test_absent_rows_are_suppressed():
    absent = torch.full((1, 1, SIDE, SIDE), -1024.0)
    decoded = replace(answer(absent, score=-1.0), raw_logits=square(8, 24))
    attached = attach(decoded, square(8, 24), FEATURES, gate=GATE)
    assert torch.equal(attached.output_logits, absent)
    assert torch.equal(attached.memory_logits, absent)


def test_a_mask_prompt_comes_back_as_it_is():
    decoded = replace(answer(square(8, 24)), state=None)
    assert attach(decoded, square(9, 24), FEATURES, gate=GATE) is decoded


def test_the_base_is_clamped_after_resampling():
    decoded = answer(torch.tensor([[[[-100.0, 1.0]] * 2]]))
    base = coarse_base(decoded, 8)
    assert torch.equal(base > 0, at_side(decoded.raw_logits, 8) > 0)
    assert base.abs().max() == 4
