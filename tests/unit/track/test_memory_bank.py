"""The bank against a direct description of SAM 2's rule."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from vos.model.types import MemoryEntry
from vos.track.memory_bank import MemoryBank
from vos.track.policy import Fifo, Step


def entry(frame_idx: int) -> MemoryEntry:
    one = torch.zeros(1, 1)
    return MemoryEntry(frame_idx, torch.zeros(1, 2, 2, 2), torch.zeros(1, 4), one, one)


def track(prompted: set[int], last: int, policy: Fifo, *, reverse: bool = False) -> MemoryBank:
    bank = MemoryBank()
    order = range(last, -1, -1) if reverse else range(last + 1)
    started = False
    for frame_idx in order:
        started = started or frame_idx in prompted
        if started:
            bank = policy.admit(bank, entry(frame_idx), prompted=frame_idx in prompted)
    return bank


@given(
    prompted=st.sets(st.integers(32, 60), min_size=1, max_size=4),
    after=st.integers(0, 30),
    count=st.one_of(st.none(), st.integers(1, 200)),
    reverse=st.booleans(),
)
def test_selection_is_sam2s(prompted, after, count, reverse):
    policy = Fifo()
    last = 90
    if reverse:
        now = max(0, min(prompted) - after - 1)
        bank = MemoryBank()
        for t in range(last, now, -1):
            if t <= max(prompted):
                bank = policy.admit(bank, entry(t), prompted=t in prompted)
    else:
        now = max(prompted) + after + 1
        bank = track(prompted, now - 1, policy)
    recall = policy.select(bank, Step(now, reverse, count))
    sign = -1 if reverse else 1
    first = max(prompted) if reverse else min(prompted)

    def tracked(away: int) -> bool:
        t = now - sign * away
        return (t - first) * sign > 0 and t not in prompted

    span = min(count, 16) if count is not None else 16
    in_order = sorted(prompted, reverse=reverse)
    spatial = [(0, t) for t in in_order]
    spatial += [(7 - away, now - sign * away) for away in range(6, 0, -1) if tracked(away)]
    pointers = [((now - t) * sign, t) for t in in_order]
    pointers += [(away, now - sign * away) for away in range(1, span) if tracked(away)]
    assert [(slot, e.frame_idx) for slot, e in recall.spatial] == spatial
    assert [(away, e.frame_idx) for away, e in recall.pointers] == pointers
    assert recall.pointer_span == span


@given(length=st.integers(16, 80), prompts=st.sets(st.integers(1, 15), max_size=5))
def test_state_stops_growing(length, prompts):
    policy = Fifo()
    settled = track({0, *prompts}, 40, policy).state_bytes()
    assert track({0, *prompts}, 40 + length, policy).state_bytes() == settled


def test_corrections_are_never_dropped_and_attention_is_bounded():
    policy = Fifo()
    prompted = set(range(0, 100, 10))
    bank = track(prompted, 120, policy)
    assert {e.frame_idx for e in bank.prompted} == prompted
    attended = [e.frame_idx for slot, e in policy.select(bank, Step(121)).spatial if slot == 0]
    assert attended == [0, 70, 80, 90]
    near_the_start = [e.frame_idx for slot, e in policy.select(bank, Step(12)).spatial if slot == 0]
    assert near_the_start == [0, 10, 20, 30][: len(near_the_start)]


def test_pushing_leaves_the_old_bank_as_it_was():
    policy = Fifo()
    before = track({0}, 30, policy)
    recent = before.recent
    policy.admit(before, entry(31), prompted=False)
    assert before.recent is recent
    assert [e.frame_idx for e in recent] == list(range(16, 31))
