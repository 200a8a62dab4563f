"""A model that attends to some of the recent memories alone (ADR 9)."""

from __future__ import annotations

import pytest
import torch

from tests.small_nano import SIDE, small_nano
from vos.errors import CheckpointError
from vos.loading import find_policy
from vos.model.networks.nano.config import NanoConfig
from vos.model.networks.nano.file import read_nano_config, save_nano
from vos.model.types import ModelPrompt, Recall
from vos.policies import POLICIES
from vos.refine.base import NoRefiner
from vos.track.engine import Engine, encode_frame
from vos.track.memory_bank import MemoryBank
from vos.track.policy import StreamPosition
from vos.track.step import find_memories, track_frame

FRAMES = 10


def recall_after(frames: int, policy: str, stride: int) -> Recall:
    """Return what the next frame attends to after so many frames, the first with a mask."""
    model = small_nano(memory_stride=stride)
    engine = Engine(model, NoRefiner(), find_policy(policy)(model.memory_slots, model.pointer_span))
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 20:40, 20:40] = 1
    images = torch.randn(frames, 1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    banks: dict[int, MemoryBank] = {}
    with torch.inference_mode():
        for t, image in enumerate(images):
            frame = encode_frame(engine, image, StreamPosition(t))
            prompts = {1: ModelPrompt(mask=mask)} if t == 0 else {}
            _, banks = track_frame(engine, frame, banks, prompts)
    recall = find_memories(engine, StreamPosition(frames), 1, banks[1], None).recall
    assert recall is not None
    return recall


@pytest.mark.parametrize(("frames", "ago"), [(1, []), (3, []), (4, [3]), (7, [6, 3]), (10, [6, 3])])
def test_each_third_frame_before_this_one_is_attended_to(frames, ago):
    recall = recall_after(frames, "fifo", 3)
    assert [frames - entry.frame_idx for _, entry in recall.spatial] == [frames, *ago]
    assert [slot for slot, _ in recall.spatial] == [0, *(7 - away for away in ago)]
    assert len(recall.pointers) == frames


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_keeps_what_it_keeps_and_gives_less_of_it(policy):
    whole, thinned = (recall_after(FRAMES, policy, stride) for stride in (1, 3))
    expected = [(slot, entry.frame_idx) for slot, entry in whole.spatial if slot in {0, 1, 4}]
    assert [(slot, entry.frame_idx) for slot, entry in thinned.spatial] == expected
    assert len(thinned.map_weights) == (len(expected) if whole.map_weights else 0)
    assert len(thinned.pointers) == len(whole.pointers)


def test_weights_stay_with_their_maps():
    entries = tuple(entry for _, entry in recall_after(FRAMES, "fifo", 1).spatial)
    slots = (0, 1, 2, 3, 4, 5, 6)
    recall = Recall(
        tuple(zip(slots, entries, strict=True)), (), 16, map_weights=(*map(float, slots),)
    )
    assert recall.thin_out(7, 3).map_weights == (0.0, 1.0, 4.0)
    assert recall.thin_out(7, 1) is recall


def test_a_weight_file_says_how_much_is_attended_to(tmp_path):
    for stride, path in ((3, tmp_path / "a.safetensors"), (0, tmp_path / "b.safetensors")):
        save_nano(path, {"x": torch.zeros(1)}, NanoConfig(memory_stride=stride), {})
    assert read_nano_config(tmp_path / "a.safetensors").memory_stride == 3
    with pytest.raises(CheckpointError, match="memory_stride is 0"):
        read_nano_config(tmp_path / "b.safetensors")
