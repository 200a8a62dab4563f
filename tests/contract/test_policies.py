"""What every memory policy promises, for each that is registered."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import pytest
import torch

from scripted_frames import Shot, decode, remember
from stand_in import StandIn
from vos.loading import find_policy
from vos.model.decoding import best_iou
from vos.model.gpu.record_model import record_model
from vos.model.sam2 import Sam2Model
from vos.model.types import Candidates
from vos.policies import POLICIES
from vos.prompts import Box, Points
from vos.track.memory_bank import MemoryBank
from vos.track.policy import MemoryPolicy, StreamPosition
from vos.track.session import Session
from vos.track.snapshot import from_bytes, to_bytes

BOX = (10.0, 8.0, 50.0, 40.0)
FRAMES = 32
"""After them a memory is full: that of `dam` reaches back 25 frames."""


@pytest.fixture(params=POLICIES)
def policy(request: pytest.FixtureRequest, tiny_model) -> MemoryPolicy:
    return find_policy(request.param)(tiny_model.memory_slots, tiny_model.pointer_span)


def test_it_is_a_frozen_value(policy):
    assert is_dataclass(policy)
    assert hash(policy) == hash(type(policy)(*(getattr(policy, f.name) for f in fields(policy))))


@pytest.mark.parametrize("reverse", [False, True])
def test_memory_stops_growing_and_the_prompted_frame_stays(
    policy, tiny_model, make_frames, reverse
):
    frames = make_frames(2 * FRAMES)
    first = len(frames) - 1 if reverse else 0
    session = Session(tiny_model, [Box(1, BOX, first)], policy=policy, reverse=reverse)
    sizes = []
    for frame in reversed(frames) if reverse else frames:
        session.decode(frame)
        sizes.append(session.state_bytes())
    assert max(sizes[FRAMES:]) <= max(sizes[:FRAMES])
    bank = session.banks[1]
    assert [entry.frame_idx for entry in bank.prompted] == [first]
    at = StreamPosition(-1 if reverse else len(frames), reverse)
    recall = policy.select(bank, at)
    assert 1 <= len(recall.spatial) <= tiny_model.memory_slots
    assert len(recall.pointers) <= tiny_model.pointer_span
    assert all(0 <= slot < tiny_model.memory_slots for slot, _ in recall.spatial)


def test_a_checkpoint_after_any_frame_changes_nothing(policy, tiny_model, make_frames):
    prompts = [Box(1, BOX), Points(1, ((20.0, 20.0),), (1,), frame_idx=6)]
    frames = make_frames(12)
    session = Session(tiny_model, prompts, policy=policy)
    whole, states = [], []
    for frame in frames:
        whole.append(session.decode(frame))
        states.append(to_bytes(session.snapshot()))
    for done in range(len(frames) - 1):
        state = from_bytes(states[done], torch.device("cpu"))
        resumed = Session(tiny_model, prompts, policy=policy).resume(state, frames[0].size_hw)
        for frame, before in zip(frames[done + 1 :], whole[done + 1 :], strict=True):
            assert torch.equal(resumed.decode(frame)[1].logits, before[1].logits)


def test_several_objects_are_as_one_by_one(policy, tiny_model, make_frames):
    boxes = [Box(i, (4.0 * i, 6.0, 30.0 + 4.0 * i, 40.0)) for i in (1, 2, 3)]
    frames = make_frames(10)
    session = Session(tiny_model, boxes, policy=policy)
    together = [session.decode(frame) for frame in frames]
    for box in boxes:
        alone = Session(tiny_model, [box], policy=policy)
        for frame, both in zip(frames, together, strict=True):
            logits = alone.decode(frame)[box.object_id].logits
            assert torch.equal(both[box.object_id].logits, logits)


def test_what_decodes_as_sam2_does_takes_the_fast_path(
    policy, tiny_model, make_frames, monkeypatch
):
    fast = record_model(Sam2Model(tiny_model.net, exact=False), StandIn())
    assert fast.fast_path is not None
    tracked: list[int] = []
    real = fast.fast_path.track

    def spy(features, recalls, *rest):
        tracked.append(len(recalls))
        return real(features, recalls, *rest)

    monkeypatch.setattr(fast.fast_path, "track", spy)
    boxes = [Box(i, (4.0 * i, 6.0, 30.0 + 4.0 * i, 40.0)) for i in (1, 2)]
    ours, theirs = (Session(model, boxes, policy=policy) for model in (fast, tiny_model))
    objects_per_frame = []
    for frame in make_frames(FRAMES + 4):
        tracked.clear()
        mine, its = ours.decode(frame), theirs.decode(frame)
        objects_per_frame.append(sum(tracked))
        for object_id, one in mine.items():
            assert (one.logits - its[object_id].logits).abs().max() < 2e-3
    is_usual = policy.chooses_best and policy.present_above == 0
    assert set(objects_per_frame[FRAMES:]) == {2 if is_usual else 0}


def test_a_new_scene_keeps_prompted_frames_only(policy, tiny_model, make_frames):
    session = Session(tiny_model, [Box(1, BOX)], policy=policy)
    for frame in make_frames(5):
        session.decode(frame)
    session.forget_recent()
    bank = session.banks[1]
    assert (bank.recent, bank.policy_state) == ((), None)
    assert len(bank.prompted) == 1


def test_memories_of_stored_masks_may_come_without_a_prompted_one(policy):
    bank = MemoryBank()
    for t in range(40):
        entry = remember(t, decode(Shot((((4, 4, 8, 8),), (), ()), (0.9, 0.5, 0.1)), 0))
        bank = policy.admit(bank, entry, None, prompted=False)
    assert bank.recent[-1].frame_idx == 39
    assert len(bank.recent) < 30


def test_what_claims_to_choose_the_best_does(policy):
    generator = torch.Generator().manual_seed(0)
    candidates = Candidates(
        torch.randn(5, 3, 8, 8, generator=generator),
        torch.rand(5, 3, generator=generator),
        torch.randn(5, 1, generator=generator),
    )
    if policy.chooses_best:
        chosen = policy.choose(candidates, MemoryBank(), StreamPosition(1))
        assert torch.equal(chosen, best_iou(candidates))
