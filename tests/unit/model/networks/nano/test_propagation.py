"""Masks propagated by likeness: what is read, what is remembered, and that it stays bounded."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from tests.small_nano import SIDE, small_nano
from vos.model.networks.nano.propagation import KeyEncoder, Propagation, _collect, _split, read_keys
from vos.model.types import MemoryEntry, ModelPrompt, Recall
from vos.refine.base import NoRefiner
from vos.track.engine import Engine, encode_frame
from vos.track.memory_bank import MemoryBank
from vos.track.policy import Fifo, StreamPosition
from vos.track.step import track_frame

CELLS = SIDE // 8


def _keys(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(1, 48, CELLS, CELLS, generator=generator))


def _entry(keys: torch.Tensor, mask: torch.Tensor) -> MemoryEntry:
    one = torch.ones(len(mask), 1)
    return MemoryEntry(0, torch.zeros(1, 4, 1, 1), one, one, one, keys.bfloat16(), mask.bfloat16())


def _left_half() -> torch.Tensor:
    mask = torch.zeros(1, 1, CELLS, CELLS)
    mask[..., : CELLS // 2] = 1.0
    return mask


def test_keys_begin_as_the_features_themselves():
    s8, s16 = torch.randn(1, 40, 8, 8), torch.randn(1, 112, 4, 4)
    keys = KeyEncoder(40, 112, 64)(s8, s16)
    torch.testing.assert_close(keys.square().sum(1), torch.ones(1, 8, 8))
    own = F.normalize(keys[:, :40])
    torch.testing.assert_close(own, F.normalize(s8), atol=1e-5, rtol=1e-4)


def test_a_still_frame_finds_its_own_mask():
    keys, mask = _keys(1), _left_half()
    found = Propagation(32)._compare(keys, *_split(Recall(((0, _entry(keys, mask)),), (), 16)))
    share = found[:, [0, 3]]
    assert torch.equal(share[:, 0] > 0, mask[:, 0] > 0.5)
    torch.testing.assert_close(share[:, 0].abs(), torch.ones(1, CELLS, CELLS), atol=1e-2, rtol=0)


def test_a_mask_moves_with_its_image():
    keys, mask = _keys(1), _left_half()
    moved = keys.roll(1, -1)
    found = Propagation(32)._compare(moved, *_split(Recall(((0, _entry(keys, mask)),), (), 16)))
    assert torch.equal(found[0, 0, :, 1:] > 0, mask.roll(1, -1)[0, 0, :, 1:] > 0.5)


def test_recent_frames_are_read_nearby_alone():
    keys, mask = _keys(1), _left_half()
    prompted = (0, _entry(_keys(2), mask))
    far = keys.roll(CELLS // 2, -1)
    near = keys.roll(1, -1)
    seen = [
        Propagation(32)._compare(
            moved, *_split(Recall((prompted, (6, _entry(keys, mask))), (), 16))
        )
        for moved in (near, far)
    ]
    best = [found[0, 4:].exp().pow(10).sum(0) for found in seen]
    assert best[0][:, 2:].median() > 100 * best[1][:, CELLS // 2 :].median()


@pytest.mark.parametrize("tiles", [2, 4])
def test_tiles_join(tiles):
    """With every tile near every other, nothing changes."""
    keys, entries = _keys(1), [_entry(_keys(1), _left_half()), _entry(_keys(2), _left_half())]
    one, more = (
        _collect(keys, [*map(read_keys, entries)], torch.tensor(25.0), torch.tensor(0.03), count)
        for count in (1, tiles)
    )
    torch.testing.assert_close(one[:, 0], more[:, 0], atol=1e-3, rtol=1e-3)


def test_it_begins_without_effect_and_rows_do_not_mix():
    propagation = Propagation(32)
    keys = _keys(1)
    recalls = [Recall(((0, _entry(keys, m)),), (), 16) for m in (_left_half(), 1 - _left_half())]
    assert not propagation(keys, recalls).any()
    torch.nn.init.normal_(propagation.embed[-1].weight)
    together = propagation(keys, recalls)
    copied = [
        Recall(((0, replace(r.spatial[0][1], keys=r.spatial[0][1].keys.clone())),), (), 16)
        for r in recalls
    ]
    assert torch.equal(together, propagation(keys, copied))  # as after a resumed run
    apart = torch.cat([propagation(keys, [recall]) for recall in recalls])
    torch.testing.assert_close(together, apart)
    as_batch = Recall(
        ((0, _entry(keys.expand(2, -1, -1, -1), torch.cat([_left_half(), 1 - _left_half()]))),),
        (),
        16,
    )
    torch.testing.assert_close(propagation(keys.expand(2, -1, -1, -1), [as_batch]), together)


def test_the_bank_forgets_keys_and_masks_with_its_maps():
    model, bank = small_nano(key_dim=64), {}
    engine = Engine(model, NoRefiner(), Fifo())
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 10:40, 10:40] = 1.0
    prompts = {1: ModelPrompt(mask=mask), 2: ModelPrompt(mask=mask.flip(-1))}
    with torch.inference_mode():
        for t in range(12):
            image = torch.rand(1, 3, SIDE, SIDE)
            frame = encode_frame(engine, image, StreamPosition(t))
            _, bank = track_frame(engine, frame, bank, {} if t else prompts, batch_size=2)
    kept = [entry for entry in bank[1].recent if entry.keys is not None]
    assert len(kept) == model.memory_slots - 1
    assert not any(entry.mask is None or entry.spatial is None for entry in kept)
    seen = bank[1].prompted[0].mask
    assert seen is not None
    assert seen.shape == (1, 1, CELLS, CELLS)
    torch.testing.assert_close(seen.float(), F.avg_pool2d(mask, 8), atol=0.2, rtol=0)


def test_gradients_reach_keys_and_earlier_masks():
    keys = _keys(1).requires_grad_()
    mask = _left_half().requires_grad_()
    propagation = Propagation(32)
    torch.nn.init.normal_(propagation.embed[-1].weight)
    propagation(keys, [Recall(((0, _entry(keys, mask)),), (), 16)]).square().sum().backward()
    for value in (keys, mask, propagation.log_sharpness, propagation.log_reach):
        assert value.grad is not None
        assert value.grad.any()


def test_a_bank_counts_all_of_its_tensors():
    entry = _entry(_keys(1), _left_half())
    bare = replace(entry, keys=None, mask=None)
    more = MemoryBank((entry,)).state_bytes() - MemoryBank((bare,)).state_bytes()
    assert more == 2 * (48 + 1) * CELLS**2


@pytest.mark.parametrize("rows", [1, 2])
def test_entries_of_one_image_share_its_keys(rows):
    entry = _entry(_keys(1), _left_half().expand(rows, -1, -1, -1))
    entry = replace(entry, spatial=torch.zeros(rows, 4, 1, 1))
    assert all(one.keys is entry.keys for one in entry.rows())
