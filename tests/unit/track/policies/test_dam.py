"""`Dam` against a slow description of the published lists, and on the fast path."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripted_frames import (
    SIDE,
    Frames,
    Rectangle,
    Shot,
    as_lists,
    decode,
    draw,
    play,
    remember,
    step,
)
from small_nano import small_nano
from stand_in import StandIn
from vos.model.gpu.record_model import record_model
from vos.model.sam2 import Sam2Model
from vos.prompts import Box
from vos.track.policies.dam import Dam, DamNotes
from vos.track.policy import StreamPosition
from vos.track.session import Session

# -- The published rule, frame by frame, in lists -------------------------------------------------


def grow(mask: np.ndarray, at: tuple[int, int]) -> set[tuple[int, int]]:
    """Return all that touches this pixel, corners included."""
    part, todo = set(), [at]
    while todo:
        y, x = todo.pop()
        if (y, x) in part or not (0 <= y < SIDE and 0 <= x < SIDE and mask[y, x]):
            continue
        part.add((y, x))
        todo += [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    return part


def box_area(pixels: set[tuple[int, int]]) -> int:
    ys, xs = [y for y, _ in pixels], [x for _, x in pixels]
    return (max(ys) - min(ys) + 1) * (max(xs) - min(xs) + 1)


def rival_iou(chosen: np.ndarray, others: list[np.ndarray]) -> float:
    """Return the least overlap of the chosen mask's box with that of it and another's rest."""
    own = set(zip(*map(list, np.nonzero(chosen)), strict=True))
    least = 1.0
    for other in others:
        rest = other & ~chosen
        if not rest.any():
            continue
        parts = [grow(rest, at) for at in zip(*map(list, np.nonzero(rest)), strict=True)]
        largest = max(len(part) for part in parts)
        # Of equals any may be taken: the scripts have none.
        part = next(part for part in parts if len(part) == largest)
        least = min(least, box_area(own) / box_area(own | part))
    return least


def published(shots: list[Shot]) -> list[Frames | None]:
    """Return what each frame attends to, by the bounded tracker's own steps."""
    entries: list[list] = []  # [kind, frame]; insertion order; the prompted frame first
    pointers: list[int] = []
    areas: list[int] = []
    pending: int | None = None
    last_added: int | None = None
    attended: list[Frames | None] = []
    for t, shot in enumerate(shots):
        attended.append(None)
        if t == 0:
            entries.append(["init", 0])
            pointers.append(0)
            continue
        count = len(entries)
        maps = [(0, 0)]
        maps += [(0, frame) for kind, frame in entries if kind == "drm"]
        maps += [
            (7 - (count - index), frame)
            for index, (kind, frame) in enumerate(entries)
            if kind == "ram"
        ]
        others = pointers[1:]
        attended[t] = maps, [(t, 0), *((i, f) for i, f in enumerate(others[::-1], 1))]

        chosen = int(np.argmax(shot.ious))
        masks = [draw(mask).numpy() for mask in shot.masks]
        area = int(masks[chosen].sum()) if shot.score > 0 else 0
        if pending is not None:
            assert entries[-1] == ["ram", pending]
            entries[-1] = ["drm", pending]
            pending = None
            drm = [e for e in entries if e[0] == "drm"]
            if len(drm) > 3:
                entries.remove(drm[0])
        if area == 0:
            continue
        pointers.append(t)
        if len(pointers) > 16:
            del pointers[1]
        ram = [e for e in entries if e[0] == "ram"]
        if not ram or ram[-1][1] % 5 == 0:
            entries.append(["ram", t])
        else:
            ram[-1][1] = t
        ram = [e for e in entries if e[0] == "ram"]
        if len(ram) > 3 and len(entries) > 7:
            entries.remove(ram[0])
        is_first = not areas
        areas.append(area)
        ratio = -1 if is_first else area / float(np.median(areas[-10:]))
        if (
            shot.ious[chosen] > 0.8
            and 0.8 <= ratio <= 1.2
            and (last_added is None or t - last_added > 5)
            and rival_iou(masks[chosen], [m for i, m in enumerate(masks) if i != chosen]) <= 0.7
        ):
            last_added = t
            assert entries[-1] == ["ram", t]
            pending = t
    return attended


# -- Scripts --------------------------------------------------------------------------------------

OWN: tuple[Rectangle, ...] = ((4, 4, 8, 8), (4, 4, 9, 8), (4, 4, 8, 7), (4, 4, 12, 8))
"""Masks of 16, 20, 12 and 32 pixels."""
OTHER: tuple[tuple[Rectangle, ...], ...] = (
    ((4, 4, 8, 8),),
    ((3, 4, 9, 9),),
    ((4, 4, 8, 8), (12, 12, 15, 15)),
    ((0, 0, 1, 1), (12, 12, 15, 15)),
    (),
)

shots = st.lists(
    st.builds(
        lambda own, others, ious, score: Shot(((own,), *others), ious, score),
        st.sampled_from((*OWN, OWN[0], OWN[0])),
        st.tuples(st.sampled_from(OTHER), st.sampled_from(OTHER)),
        st.sampled_from(((0.9, 0.5, 0.1), (0.9, 0.5, 0.1), (0.79, 0.5, 0.1), (0.5, 0.9, 0.1))),
        st.sampled_from((5.0, 5.0, 5.0, -1.0)),
    ),
    min_size=1,
    max_size=60,
)
START = Shot((OWN[:1], (), ()), (1.0, 0.0, 0.0), prompted=True)
RIVAL = Shot((OWN[:1], OTHER[2], ()), (0.9, 0.5, 0.1))
CALM = Shot((OWN[:1], (), ()), (0.9, 0.5, 0.1))
HIDDEN = Shot((OWN[:1], (), ()), (0.9, 0.5, 0.1), score=-1.0)


@pytest.mark.parametrize("reverse", [False, True])
@given(shots=shots)
def test_it_attends_to_the_published_frames(reverse, shots):
    script = [START, *shots]
    first = 1000
    _, recalls = play(Dam(), script, first=first, reverse=reverse)
    for recall, wanted in zip(recalls, published(script), strict=True):
        if recall is None:
            assert wanted is None
            continue
        found = as_lists(recall)
        assert found == wanted
        assert recall.pointer_span == max(2, len(found[1]))


def test_a_frame_with_a_rival_becomes_an_anchor_and_the_three_newest_stay():
    bank, recalls = play(Dam(), [START, *[RIVAL] * 40])
    assert [entry.frame_idx for entry in bank.anchors] == [26, 32, 38]
    last = recalls[-1]
    assert last is not None
    assert [slot for slot, _ in last.spatial] == [0, 0, 0, 0, 2, 4, 6]
    assert last.is_settled


@pytest.mark.parametrize("script", [[RIVAL, CALM], [CALM, HIDDEN, RIVAL, HIDDEN]])
@pytest.mark.parametrize("count", [600, pytest.param(5000, marks=pytest.mark.slow)])
def test_many_frames_fill_no_more_than_a_hundred(script, count):
    policy, sizes = Dam(), []
    bank, _ = play(policy, [START])
    for t in range(1, count + 1):
        bank = step(policy, bank, StreamPosition(t), script[t % len(script)])
        assert isinstance(bank.policy_state, DamNotes)
        sizes.append((bank.state_bytes(), len(bank.recent), len(bank.policy_state.areas)))
    assert max(sizes[100:]) <= max(sizes[:100])


def test_corrections_take_the_places_of_anchors():
    script = [START, *[RIVAL] * 30]
    for index in (31, 37, 43):
        script += [START, *[RIVAL] * 5]
        bank, recalls = play(Dam(), script)
        recall = recalls[-1]
        assert recall is not None
        assert len(recall.spatial) <= 7
        count = len(bank.prompted)
        assert len(bank.anchors) == 4 - count
        assert [e.frame_idx for e in bank.prompted][-1] == index
        assert len(recall.pointers) == 16


def test_a_scene_cut_leaves_the_anchors():
    policy = Dam()
    bank, _ = play(policy, [START, *[RIVAL] * 20])
    after = bank.without_recent()
    assert after.anchors == bank.anchors
    assert after.policy_state is None
    recall = policy.select(after, StreamPosition(21))
    assert [slot for slot, _ in recall.spatial] == [0] * (1 + len(bank.anchors))
    assert [away for away, _ in recall.pointers] == [21]


def test_what_a_stored_mask_left_is_remembered_without_the_test():
    policy = Dam()
    bank, _ = play(policy, [START])
    for t in range(1, 12):
        hidden = t == 4
        entry = remember(t, decode(HIDDEN if hidden else RIVAL, 0))
        bank = policy.admit(bank, entry, None, prompted=False)
    assert bank.anchors == ()
    assert [e.frame_idx for e in bank.recent] == [t for t in range(1, 12) if t != 4]


# -- The fast path --------------------------------------------------------------------------------

BOXES = [Box(1, (10.0, 8.0, 50.0, 40.0)), Box(2, (0.0, 0.0, 20.0, 20.0))]


@pytest.mark.parametrize("key_dim", [0, 48])
def test_full_memories_take_the_fast_path_with_the_same_masks(key_dim, make_frames, monkeypatch):
    policy = Dam(sure_above=-1.0, steady_within=1e9, reach=1.0)
    net = small_nano(key_dim=key_dim).net
    plain, stand_in = Sam2Model(net, exact=False), StandIn()
    fast = record_model(plain, stand_in)
    assert fast.fast_path is not None
    tracked: list[int] = []
    real = fast.fast_path.track

    def spy(features, recalls, *rest):
        tracked.append(len(recalls))
        return real(features, recalls, *rest)

    monkeypatch.setattr(fast.fast_path, "track", spy)
    ours, theirs = (Session(model, BOXES, policy=policy) for model in (fast, plain))
    for frame in make_frames(40):
        mine, its = ours.decode(frame), theirs.decode(frame)
        for object_id, one in mine.items():
            assert (one.logits - its[object_id].logits).abs().max() < 2e-3
    assert ours.banks[1].anchors
    # From the frame on which 15 pointers are there besides that of the prompted one.
    assert sum(tracked) == 2 * (40 - 16)
    assert stand_in.recordings < 12
