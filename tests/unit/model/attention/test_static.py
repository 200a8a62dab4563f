"""The tracked frame of fixed shapes, uncompiled: what the exact verbs give, up to rounding."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch

from vos.model.attention.static import (
    StaticMemoryAttention,
    StaticStep,
    gather_recalls,
    has_static_shapes,
)
from vos.model.networks.nano.build import build_nano
from vos.model.networks.nano.config import NanoConfig
from vos.model.sam2 import Sam2Model
from vos.model.tensor_fields import describe_tensors
from vos.model.types import MemoryEntry, MemoryInput, Recall

SIDE, WIDTH, MEMORY_WIDTH = 4, 32, 16
CONFIG = NanoConfig(
    image_size=16 * SIDE,
    embed_dim=16,
    stages=(1, 1, 3),
    d_model=WIDTH,
    mem_dim=MEMORY_WIDTH,
    memory_layers=2,
)


@pytest.fixture(scope="module")
def exact():
    torch.manual_seed(0)
    net = build_nano(CONFIG)
    torch.nn.init.normal_(net.maskmem_tpos_enc)
    torch.nn.init.constant_(
        net.get_parameter("sam_mask_decoder.pred_obj_score_head.layers.2.bias"), 4.0
    )
    return Sam2Model(net)


def fast_copy(exact: Sam2Model, pool: int = 1) -> Sam2Model:
    return Sam2Model(exact.net, exact=False, pool_memory=pool)


def encoded(model: Sam2Model):
    torch.manual_seed(1)
    return model.encode_image(torch.randn(1, 3, 16 * SIDE, 16 * SIDE))


def memory(seed: int) -> MemoryEntry:
    rand = torch.Generator().manual_seed(seed)
    spatial = torch.randn(1, MEMORY_WIDTH, SIDE, SIDE, generator=rand).bfloat16()
    pointer = torch.randn(1, WIDTH, generator=rand)
    return MemoryEntry(seed, spatial, pointer, torch.ones(1, 1), torch.ones(1, 1))


def recall(seed: int, prompted_at: tuple[int, ...] = (40,)) -> Recall:
    """prompted_at: distances of prompted frames."""
    prompted = [(away, memory(seed + 100 * i)) for i, away in enumerate(prompted_at)]
    recent = [(away, memory(seed + away)) for away in range(1, 16)]
    spatial = [(0, entry) for _, entry in prompted]
    spatial += [(7 - away, entry) for away, entry in reversed(recent[:6])]
    return Recall(tuple(spatial), (*prompted, *recent), 16)


@pytest.mark.parametrize("prompted_at", [(16,), (20, 90), (1_000_000, 40, -3)])
@torch.inference_mode()
def test_attention_over_tensors_equals_the_packages(exact, prompted_at):
    """Of a distance of a million, rounding alone moves the sine encoding by 0.01."""
    recalls = [recall(seed, prompted_at) for seed in (1000, 2000)]
    features = encoded(exact)
    together = StaticMemoryAttention(exact.net, 1)(gather_recalls(recalls, exact.device), features)
    alone = torch.cat([exact.condition(features, (one,)) for one in recalls])
    assert (together - alone).abs().max() < (1e-4 if max(prompted_at) < 1000 else 1e-2)


@pytest.mark.parametrize(("dtype", "pool"), [(torch.bfloat16, 1), (torch.float32, 2)])
@torch.inference_mode()
def test_in_low_precision_and_pooled_it_equals_the_reader(exact, dtype, pool):
    model = fast_copy(exact, pool)
    recalls = [recall(seed) for seed in (1000, 2000)]
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        features = encoded(model)
        ours = StaticMemoryAttention(model.net, pool)(
            gather_recalls(recalls, model.device), features
        )
        theirs = model.condition(features, recalls)
    assert (ours - theirs).abs().max() < (0.1 if dtype == torch.bfloat16 else 1e-4)


@torch.inference_mode()
def test_the_whole_step_equals_the_verbs(exact):
    recalls = [recall(seed) for seed in (1000, 2000, 3000)]
    features = encoded(exact)
    step = StaticStep(fast_copy(exact))
    decoded, entry = step(gather_recalls(recalls, exact.device), features, exact.no_prompt(3))
    for row, one in enumerate(recalls):
        answer = exact.decode(exact.condition(features, (one,)), features, None, first=False)
        remembered = exact.encode_memory(features, MemoryInput.of(answer), 0)
        ours = decoded.row(row)
        for name in ("mask_logits", "all_logits", "iou_pred", "object_score", "obj_ptr"):
            assert (getattr(ours, name) - getattr(answer, name)).abs().max() < 2e-3
        mine, theirs = entry.rows()[row].spatial, remembered.spatial
        assert mine is not None
        assert theirs is not None
        assert mine.dtype == torch.bfloat16
        assert (mine.float() - theirs.float()).abs().max() < 0.05


def test_only_full_memories_are_steady(exact):
    full = recall(0, (30, 60))
    assert has_static_shapes([full], exact.net)
    for spatial, pointers, span in (
        (full.spatial[:-1], full.pointers, 16),
        (full.spatial, full.pointers[:-1], 16),
        (full.spatial, full.pointers, 15),
    ):
        assert not has_static_shapes([Recall(spatial, pointers, span)], exact.net)


def test_memories_that_are_thinned_out_are_full_with_fewer():
    net = build_nano(replace(CONFIG, memory_stride=3))
    full = recall(0, (30, 60))
    assert has_static_shapes([full.thin_out(7, 3)], net)
    assert not has_static_shapes([full], net)


@torch.inference_mode()
def test_values_that_change_from_frame_to_frame_are_tensors(exact):
    """Other slots and distances change the answer through tensors of the same shapes alone."""
    near, far = (gather_recalls([recall(0, (away,))], exact.device) for away in (16, 500))
    order = list(range(7))
    random.Random(0).shuffle(order)
    shuffled = recall(0)
    shuffled = Recall(
        tuple((order[i], entry) for i, (_, entry) in enumerate(shuffled.spatial)),
        shuffled.pointers,
        16,
    )
    other = gather_recalls([shuffled], exact.device)
    features, attention = encoded(exact), StaticMemoryAttention(exact.net, 1)
    answers = [attention(m, features) for m in (near, far, other)]
    assert describe_tensors(near) == describe_tensors(far)
    assert describe_tensors(near.maps) == describe_tensors(other.maps)
    assert not torch.allclose(answers[0], answers[1])
    assert not torch.allclose(answers[0], answers[2])
