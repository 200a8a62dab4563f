"""What is kept between frames equals what the sam2 package computes, and follows the weights."""

from __future__ import annotations

import copy

import pytest
import torch
from sam2.modeling.backbones.hieradet import Hiera
from sam2.modeling.sam.transformer import RoPEAttention

from vos.model.kept_encodings import MemoryRopeAttention, keep_encodings
from vos.model.networks.nano.build import build_nano
from vos.model.networks.nano.config import NanoConfig

CONFIG = NanoConfig(
    image_size=64, embed_dim=16, stages=(1, 1, 3), d_model=32, mem_dim=16, memory_layers=1
)


@pytest.fixture
def pair():
    torch.manual_seed(0)
    net = build_nano(CONFIG)
    torch.nn.init.normal_(net.get_parameter("image_encoder.trunk.pos_embed"))
    theirs = copy.deepcopy(net)
    keep_encodings(net)
    return net, theirs


@torch.inference_mode()
def _pyramid(net, size=64):
    torch.manual_seed(1)
    return net.image_encoder.trunk(torch.randn(1, 3, size, size))


def _equal(ours, theirs) -> bool:
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_position_embedding_is_upsampled_once_per_size(pair, monkeypatch):
    net, theirs = pair
    calls = []
    original = Hiera._get_pos_embed
    monkeypatch.setattr(
        Hiera, "_get_pos_embed", lambda self, hw: calls.append(hw) or original(self, hw)
    )
    for size in (64, 64, 128, 128):
        assert _equal(_pyramid(net, size), _pyramid(theirs, size))
    assert calls.count((16, 16)) == 1 + 2  # ours once, theirs every time
    assert calls.count((32, 32)) == 1 + 2


def test_position_embedding_follows_its_weights(pair):
    net, theirs = pair
    before = _pyramid(net)
    state = {k: v + 1 if "pos_embed" in k else v for k, v in theirs.state_dict().items()}
    net.load_state_dict(state)
    theirs.load_state_dict(state)
    assert not _equal(_pyramid(net), before)
    assert _equal(_pyramid(net), _pyramid(theirs))


def test_position_embedding_trains(pair):
    net, _ = pair
    _pyramid(net)
    net.image_encoder.trunk(torch.randn(1, 3, 64, 64))[-1].sum().backward()
    assert net.get_parameter("image_encoder.trunk.pos_embed").grad.abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("maps", "pointers"), [(1, 0), (3, 0), (3, 5)])
def test_rotary_attention_equals_the_package(dtype, maps, pointers):
    torch.manual_seed(0)
    theirs = RoPEAttention(
        embedding_dim=32, num_heads=2, feat_sizes=(4, 4), rope_k_repeat=True, kv_in_dim=16
    ).to(dtype)
    ours = copy.deepcopy(theirs)
    ours.__class__ = MemoryRopeAttention
    for side in (4, 8, 4):
        q = torch.randn(2, side**2, 32, dtype=dtype)
        k, v = torch.randn(2, 2, maps * side**2 + pointers, 16, dtype=dtype)
        with torch.no_grad():
            assert torch.equal(
                ours(q, k, v, num_k_exclude_rope=pointers),
                theirs(q, k, v, num_k_exclude_rope=pointers),
            )


def test_rotary_attention_has_the_packages_gradients():
    torch.manual_seed(0)
    theirs = RoPEAttention(embedding_dim=32, num_heads=1, feat_sizes=(4, 4), rope_k_repeat=True)
    ours = copy.deepcopy(theirs)
    ours.__class__ = MemoryRopeAttention
    q, k = torch.randn(1, 16, 32), torch.randn(1, 34, 32)
    for module in (ours, theirs):
        module(q, k, k, num_k_exclude_rope=2).square().sum().backward()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_a_copied_network_keeps_its_own_values(pair):
    net, _ = pair
    _pyramid(net)
    other = copy.deepcopy(net)
    with torch.no_grad():
        other.get_parameter("image_encoder.trunk.pos_embed").zero_()
    keep_encodings(other)
    assert not _equal(_pyramid(net), _pyramid(other))
