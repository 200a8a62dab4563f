"""The memory attention for several objects: once per memory, gone with it, pooled on demand."""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from vos.model.attention.cached import attend_in_chunks
from vos.model.networks.nano.build import build_nano
from vos.model.networks.nano.config import NanoConfig
from vos.model.sam2 import Sam2Model
from vos.model.types import FrameFeatures, MemoryEntry, Recall

SIDE = 8
CONFIG = NanoConfig(
    image_size=16 * SIDE, embed_dim=16, stages=(1, 1, 3), d_model=32, mem_dim=16, memory_layers=2
)
POINTER_SPAN = 16


@pytest.fixture
def net():
    torch.manual_seed(0)
    net = build_nano(CONFIG)
    torch.nn.init.normal_(net.maskmem_tpos_enc)
    return net


def features(seed: int = 5) -> FrameFeatures:
    rand = torch.Generator().manual_seed(seed)
    s16, pos16 = torch.randn(2, 1, 32, SIDE, SIDE, generator=rand)
    none = torch.zeros(1, 0)
    return FrameFeatures(none, s16, pos16)


def memory(seed: int, *, smooth: int = 1) -> MemoryEntry:
    """smooth: side of the squares over which the map is constant."""
    rand = torch.Generator().manual_seed(seed)
    spatial = torch.randn(1, 16, SIDE // smooth, SIDE // smooth, generator=rand)
    spatial = spatial.repeat_interleave(smooth, -1).repeat_interleave(smooth, -2).bfloat16()
    pointer = torch.randn(1, 32, generator=rand)
    return MemoryEntry(seed, spatial, pointer, torch.ones(1, 1), torch.ones(1, 1))


def recall(entries: list[MemoryEntry]) -> Recall:
    """The first is a prompted frame, the others are the frames before now."""
    spatial = tuple((slot, entry) for slot, entry in enumerate(entries))
    pointers = tuple((1 + slot, entry) for slot, entry in enumerate(entries))
    return Recall(spatial, pointers, POINTER_SPAN)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_objects_together_equal_the_packages_attention(net, dtype):
    exact, fast = Sam2Model(net), Sam2Model(net, exact=False)
    recalls = [recall([memory(10 * i + t) for t in range(4)]) for i in range(3)]
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        together = fast.condition(features(), recalls)
        again = fast.condition(features(), recalls)  # from what is kept
        alone = torch.cat([exact.condition(features(), (one,)) for one in recalls])
    assert torch.equal(together, again)
    assert (together - alone).abs().max() < (1e-4 if dtype == torch.float32 else 0.1)


@torch.inference_mode()
def test_a_memory_is_projected_once_and_forgotten_with_it(net, monkeypatch):
    model = Sam2Model(net, exact=False)
    projected: list[int] = []
    real = model._attention._project
    monkeypatch.setattr(
        model._attention, "_project", lambda maps: projected.append(len(maps)) or real(maps)
    )
    entries = [memory(t) for t in range(4)]
    for _ in range(3):
        model.condition(features(), (recall(entries[:3]),))
    assert len(projected) == 3
    model.condition(features(), (recall(entries[1:]),))
    assert len(projected) == 4
    assert len(model._attention._kept) == 4
    del entries
    gc.collect()
    assert len(model._attention._kept) == 0


@torch.inference_mode()
def test_another_precision_projects_anew(net):
    model = Sam2Model(net, exact=False)
    recalls = (recall([memory(t) for t in range(3)]),)
    before = model.condition(features(), recalls)
    with torch.autocast("cpu", torch.bfloat16):
        low = model.condition(features(), recalls)
    assert (low - before).abs().max() < 0.1
    assert torch.equal(model.condition(features(), recalls), before)


@torch.inference_mode()
def test_maps_of_the_largest_models_are_not_kept(net, monkeypatch):
    monkeypatch.setattr("vos.model.attention.cached.LARGEST_KEPT_MAP", SIDE**2 - 1)
    model = Sam2Model(net, exact=False)
    entries = [memory(0)]
    model.condition(features(), (recall(entries),))
    assert len(model._attention._kept) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_pooling_what_is_alike_loses_only_where_tokens_are(net, dtype):
    """Squares of equal memories differ only by their encodings, which vary slowly."""
    full = Sam2Model(net, exact=False)
    pooled = Sam2Model(net, exact=False, pool_memory=2)
    unpooled = Sam2Model(net, exact=False, pool_memory=1)
    smooth = [recall([memory(t, smooth=2) for t in range(3)])]
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        whole, part, same = (m.condition(features(), smooth) for m in (full, pooled, unpooled))
    assert torch.equal(whole, same)
    change = whole - features().s16
    assert 0 < (whole - part).abs().mean() < 0.05 * change.abs().mean()


@torch.inference_mode()
def test_a_pooled_token_counts_for_all_of_its_parts():
    torch.manual_seed(0)
    q, keys, values = torch.randn(1, 5, 8), torch.randn(1, 3, 8), torch.randn(1, 3, 4)
    parts = torch.tensor([4, 4, 1])
    repeated = [x.repeat_interleave(parts, dim=1) for x in (keys, values)]
    counted = attend_in_chunks(q, keys, values, parts.log())
    torch.testing.assert_close(counted, attend_in_chunks(q, *repeated))


@torch.inference_mode()
def test_attending_in_chunks_changes_rounding_only():
    torch.manual_seed(0)
    q, k, v, bias = (torch.randn(*s) for s in ((2, 600, 32), (2, 50, 32), (2, 50, 8), (50,)))
    plain = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.expand(600, 50))
    torch.testing.assert_close(attend_in_chunks(q, k, v, bias), plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pool", [1, 2])
@torch.inference_mode()
def test_weights_scale_keys_before_they_are_projected_and_leave_values(net, pool):
    recalls = [recall([memory(10 * i + t) for t in range(3)]) for i in range(2)]
    weighted = [
        replace(one, map_weights=maps, pointer_weights=pointers)
        for one, maps, pointers in zip(
            recalls,
            [(1.05, 0.5, 1.0), (0.4, 1.0, 1.6)],
            [(0.2, 1.0, 2.0), (1.5, 1.0, 0.5)],
            strict=True,
        )
    ]
    fast = Sam2Model(net, exact=False, pool_memory=pool)
    together = fast.condition(features(), weighted)
    plain = fast.condition(features(), recalls)
    assert (together - plain).abs().max() > 0.01
    for row, one in enumerate(weighted):
        alone = fast.condition(features(), [one])
        assert (together[row] - alone[0]).abs().max() < 1e-4
        if pool == 1:
            given = Sam2Model(net).condition(features(), [one])
            wanted = _condition_with_scaled_keys(net, one)
            assert (given - wanted).abs().max() < 1e-4
            assert (together[row] - wanted[0]).abs().max() < 1e-4


def _condition_with_scaled_keys(net, weighted: Recall) -> torch.Tensor:
    """The package's own attention, with what it projects to keys scaled on its way in."""
    per_token = [w for w in weighted.map_weights for _ in range(SIDE * SIDE)]
    per_token += [w for w in weighted.pointer_weights for _ in range(2)]
    scale = torch.tensor(per_token)[None, :, None]
    hooks = [
        layer.cross_attn_image.k_proj.register_forward_pre_hook(lambda _, given: given[0] * scale)
        for layer in net.memory_attention.layers
    ]
    try:
        plain = replace(weighted, map_weights=(), pointer_weights=())
        return Sam2Model(net).condition(features(), [plain])
    finally:
        for hook in hooks:
            hook.remove()
