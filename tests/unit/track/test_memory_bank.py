"""The bank against a direct description of SAM 2's rule."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vos.model.types import MemoryEntry
from vos.track.memory_bank import MemoryBank
from vos.track.policies.visible import Visible
from vos.track.policy import Fifo, StreamPosition


def entry(frame_idx: int, *, iou_pred: float = 0.9, object_score: float = 5.0) -> MemoryEntry:
    spatial, obj_ptr = torch.zeros(1, 2, 2, 2), torch.zeros(1, 4)
    scores = torch.tensor([[iou_pred]]), torch.tensor([[object_score]])
    return MemoryEntry(frame_idx, spatial, obj_ptr, *scores)


def track(prompted: set[int], last: int, policy: Fifo, *, reverse: bool = False) -> MemoryBank:
    bank = MemoryBank()
    order = range(last, -1, -1) if reverse else range(last + 1)
    started = False
    for frame_idx in order:
        started = started or frame_idx in prompted
        if started:
            bank = policy.admit(bank, entry(frame_idx), None, prompted=frame_idx in prompted)
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
                bank = policy.admit(bank, entry(t), None, prompted=t in prompted)
    else:
        now = max(prompted) + after + 1
        bank = track(prompted, now - 1, policy)
    recall = policy.select(bank, StreamPosition(now, reverse, count))
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
    attended = [
        e.frame_idx for slot, e in policy.select(bank, StreamPosition(121)).spatial if slot == 0
    ]
    assert attended == [0, 70, 80, 90]
    near_the_start = [
        e.frame_idx for slot, e in policy.select(bank, StreamPosition(12)).spatial if slot == 0
    ]
    assert near_the_start == [0, 10, 20, 30][: len(near_the_start)]


def test_pushing_leaves_the_old_bank_as_it_was():
    policy = Fifo()
    before = track({0}, 30, policy)
    recent = before.recent
    policy.admit(before, entry(31), None, prompted=False)
    assert before.recent is recent
    assert [e.frame_idx for e in recent] == list(range(16, 31))


@given(prompts=st.sets(st.integers(1, 40), max_size=5), last=st.integers(0, 60))
def test_an_object_always_in_view_is_remembered_alike_by_both_policies(prompts, last):
    """With prompts further back than a policy looks; nearer ones leave a gap in one only."""
    prompts = {t for t in prompts if t < last - 15}
    fifo, visible = Fifo(), Visible()
    now = StreamPosition(last + 1)
    recall = fifo.select(track({0, *prompts}, last, fifo), now)
    same = visible.select(track({0, *prompts}, last, visible), now)
    assert [slot for slot, _ in same.spatial] == [slot for slot, _ in recall.spatial]
    assert [away for away, _ in same.pointers[len(prompts) + 1 :]] == [
        away for away, _ in recall.pointers[len(prompts) + 1 :]
    ]


def track_hidden(policy: Fifo, hidden: range, last: int, *, reverse: bool = False) -> MemoryBank:
    bank = MemoryBank()
    for away in range(last + 1):
        frame_idx = 1000 - away if reverse else away
        score = -2.0 if away in hidden else 5.0
        bank = policy.admit(bank, entry(frame_idx, object_score=score), None, prompted=away == 0)
    return bank


@pytest.mark.parametrize("reverse", [False, True])
def test_what_a_hidden_object_looked_like_is_not_forgotten(reverse):
    bank = track_hidden(Visible(), range(30, 91), last=90, reverse=reverse)
    now = StreamPosition(909 if reverse else 91, reverse)
    recall = Visible().select(bank, now)
    sign = -1 if reverse else 1
    assert [slot for slot, _ in recall.spatial] == [0, 1, 2, 3, 4, 5, 6]
    assert [away for away, _ in recall.pointers] == [91, *range(1, 16)]
    kept = [(e.frame_idx - (1000 if reverse else 0)) * sign for e in bank.recent]
    assert kept == [*range(15, 30)]
    assert all(e.spatial is not None for e in bank.recent[-6:])


def test_a_frame_with_a_low_iou_prediction_is_forgotten():
    policy = Visible()
    bank = policy.admit(track({0}, 5, policy), entry(6, iou_pred=0.005), None, prompted=False)
    bank = policy.admit(bank, entry(7), None, prompted=False)
    assert [e.frame_idx for e in bank.recent] == [1, 2, 3, 4, 5, 7]


@given(hidden=st.integers(0, 60), length=st.integers(16, 80))
def test_a_hidden_object_does_not_grow_the_state(hidden, length):
    settled = track_hidden(Visible(), range(0), last=40).state_bytes()
    later = track_hidden(Visible(), range(40, 40 + hidden), last=40 + length)
    assert later.state_bytes() == settled
