"""The policy of docs/inside/examples/add_a_policy.md, run from that very file."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType, ModuleType

import pytest

from example_files import imported
from vos import loading, policies
from vos.policies import POLICIES, PolicyEntry
from vos.prompts import Box
from vos.track.policy import StreamPosition
from vos.track.session import Session


@pytest.fixture(scope="module")
def example() -> Iterator[ModuleType]:
    with imported("every_fifth_policy") as module:
        yield module


@pytest.mark.parametrize("reverse", [False, True])
def test_every_fifth_frame_is_kept_and_attended_to(example, tiny_model, make_frames, reverse):
    policy = example.EveryFifth()
    frames = make_frames(28)
    start = 27 if reverse else 0
    session = Session(tiny_model, [Box(1, (10, 8, 50, 40), start)], policy=policy, reverse=reverse)
    for frame in reversed(frames) if reverse else frames:
        session.decode(frame)
    bank = session.banks[1]
    kept = [25, 20, 15, 10, 5, 0] if reverse else [5, 10, 15, 20, 25]
    assert [entry.frame_idx for entry in bank.recent] == kept
    recall = policy.select(bank, StreamPosition(-1 if reverse else 28, reverse))
    assert [slot for slot, _ in recall.spatial] == [0, *range(7 - len(kept), 7)]
    assert [away for away, _ in recall.pointers[1:]] == list(range(1, len(kept) + 1))


def test_one_line_registers_it(example, monkeypatch):
    entry = PolicyEntry("every_fifth_policy:EveryFifth", "keep every fifth frame")
    registered = MappingProxyType({**POLICIES, "every-fifth": entry})
    monkeypatch.setattr(policies, "POLICIES", registered)
    monkeypatch.setattr(loading, "POLICIES", registered)
    tracker = loading.load("nano", device="cpu", refiner="none", policy="every-fifth")
    assert tracker.policy == example.EveryFifth(tracker.model.memory_slots, 16)
    assert "every-fifth: keep every fifth frame" in policies.describe_policies()
