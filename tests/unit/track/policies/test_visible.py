"""`Visible` against a slow description of SAM 3's lists, per object."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripted_frames import Frames, Rectangle, Shot, as_lists, play, step
from vos.track.policies.visible import Visible
from vos.track.policy import StreamPosition

BOX: tuple[Rectangle, ...] = ((4, 4, 8, 8),)


def shot(iou: float, score: float, prompted: bool = False) -> Shot:
    return Shot((BOX, (), ()), (iou, 0.0, 0.0), score, prompted)


def published(shots: list[Shot], *, keep_last: bool) -> list[Frames | None]:
    """Return what each frame attends to, walking back from it as the tracker does.

    keep_last: the frame before has a place whatever it is worth. Without it, prompted frames have
    none among the kept ones.
    """
    attended: list[Frames | None] = [None]
    for t in range(1, len(shots)):
        prompted = [s for s in range(t) if shots[s].prompted]
        kept: list[int] = []
        for s in range(t - 1, -1, -1):
            score = shots[s].score
            presence = 2 / (1 + math.exp(-score)) - 1 if score > 0 else 0
            if not shots[s].prompted and shots[s].ious[0] * presence > 0.01:
                kept.insert(0, s)
            if len(kept) == 15:
                break
        if keep_last and t - 1 not in kept:
            kept.append(t - 1)
        shown = prompted
        if len(prompted) > 4:
            shown = sorted([prompted[0], *prompted[-3:]])
        maps = [(0, s) for s in shown]
        places = [(6 - back, s) for back, s in enumerate(kept[::-1]) if back < 6]
        maps += [(slot, s) for slot, s in places[::-1] if not shots[s].prompted]
        pointers = [(t - s, s) for s in shown]
        pointers += [
            (back, s)
            for back, s in enumerate(kept[::-1], 1)
            if back <= 15 and not shots[s].prompted
        ]
        attended.append((maps, pointers))
    return attended


shots = st.lists(
    st.builds(
        shot,
        st.sampled_from((0.9, 0.9, 0.5, 0.005)),
        st.sampled_from((5.0, 5.0, 0.5, 0.001, -2.0)),
        st.sampled_from((False,) * 12 + (True,)),
    ),
    max_size=60,
)


@pytest.mark.parametrize("keep_last", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@given(shots=shots)
def test_it_attends_to_the_published_frames(reverse, keep_last, shots):
    script = [shot(1.0, 9.0, True), *shots]
    policy = Visible(keep_last=keep_last)
    _, recalls = play(policy, script, first=500, reverse=reverse)
    for recall, wanted in zip(recalls, published(script, keep_last=keep_last), strict=True):
        found = None if recall is None else as_lists(recall)
        assert found == wanted


@pytest.mark.parametrize("hidden", [1, 60])
@pytest.mark.parametrize("count", [600, pytest.param(5000, marks=pytest.mark.slow)])
def test_many_frames_fill_no_more_than_a_hundred(hidden, count):
    policy, sizes = Visible(keep_last=True), []
    bank, _ = play(policy, [shot(1.0, 9.0, True)])
    for t in range(1, count + 1):
        score = -2.0 if t // hidden % 2 else 5.0
        bank = step(policy, bank, StreamPosition(t), shot(0.9, score))
        sizes.append((bank.state_bytes(), len(bank.recent)))
    assert max(sizes[100:]) <= max(sizes[:100])


def test_the_last_frame_is_remembered_until_the_next_one():
    policy = Visible(keep_last=True)
    clip = [shot(1.0, 9.0, True), shot(0.9, 5.0), shot(0.9, -2.0), shot(0.9, -2.0)]
    bank, _ = play(policy, clip)
    assert [entry.frame_idx for entry in bank.recent] == [1, 3]
    bank = step(policy, bank, StreamPosition(4), shot(0.9, 5.0))
    assert [entry.frame_idx for entry in bank.recent] == [1, 4]
    assert bank.policy_state is None
