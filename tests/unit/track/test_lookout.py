"""Objects that enter: which masks are new, and what a session makes of them."""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import vos
from entering import ENTERS, SIZE_HW, clip, picture, squares
from vos.api import Tracker
from vos.errors import PromptError, UsageError
from vos.frame import count_frame
from vos.io.read.open import open_source
from vos.model.load import ModelInfo
from vos.refine.base import NoRefiner
from vos.stream import Stream
from vos.track.everything import Everything, suit_model
from vos.track.lookout import Lookout, Newcomer, Seen, look, take_new
from vos.track.policy import Fifo
from vos.track.session import Session
from vos.track.snapshot import SessionState, from_bytes, to_bytes

FRAMES = 8


def _area(rows: int, columns: int) -> np.ndarray:
    mask = np.zeros((40, 40), bool)
    mask[:rows, :columns] = True
    return mask


def _tracker(model) -> Tracker:
    info = ModelInfo("tiny", "nano", Path(), "", model.image_size, False)
    return Tracker(model, info, NoRefiner(), torch.float32, Fifo())


@given(
    st.lists(st.tuples(*(st.integers(0, 12) for _ in range(4))), max_size=6),
    st.tuples(*(st.integers(0, 12) for _ in range(4))),
    st.integers(1, 20),
)
def test_what_is_new_is_half_of_a_mask_at_least_and_covers_nothing_that_is_tracked(
    boxes, known, least
):
    def draw(box):
        mask = np.zeros((12, 12), bool)
        mask[box[0] : box[1], box[2] : box[3]] = True
        return mask

    masks, covered = [draw(box) for box in boxes], draw(known)
    before = covered.copy()
    new = list(take_new(masks, covered, least))
    assert np.array_equal(covered, before)
    claimed = covered.copy()
    for mask in masks:
        alone = mask & ~claimed
        is_new = alone.sum() >= max(least, mask.sum() / 2)
        if is_new and mask.any():
            assert np.array_equal(new.pop(0), alone)
            claimed |= mask
    assert new == []


@pytest.mark.parametrize(
    ("mask", "is_new"),
    [(_area(20, 40), True), (_area(21, 40), True), (_area(19, 40), False), (_area(10, 40), False)],
)
def test_half_of_a_mask_must_lie_outside_what_is_tracked(mask, is_new):
    assert (len(list(take_new([mask], _area(10, 40), 1))) == 1) == is_new


def test_specks_are_new_on_the_first_look_alone():
    frame = count_frame(np.zeros((400, 400, 3), np.uint8), 7, Fraction(24))
    speck, spot = np.zeros((2, 400, 400), bool)
    speck[:12, :13], spot[20:33, :13] = True, True  # of 156 a 1,024th is needed
    nothing = np.zeros((400, 400), bool)
    lookout = Lookout(3)
    first, prompts = look(lookout, Seen(), frame, nothing, (), [speck])
    assert [(p.object_id, p.frame_idx) for p in prompts] == [(1, 7)]
    assert (first.next_look, first.full_at) == (10, None)
    later, prompts = look(lookout, first, frame, nothing, (1, 2, 4), [speck, spot])
    assert [p.object_id for p in prompts] == [3]
    assert np.array_equal(later.newcomers[-1].prompt().mask, spot)


def test_where_there_is_no_room_it_is_said_and_nobody_looks_again():
    frame = count_frame(np.zeros((8, 8, 3), np.uint8), 5, Fraction(24))
    masks = np.zeros((4, 8, 8), bool)
    for row, mask in enumerate(masks):
        mask[row * 2] = True
    seen, prompts = look(Lookout(1, most=3), Seen(), frame, np.zeros((8, 8), bool), (9,), masks)
    assert [p.object_id for p in prompts] == [1, 2]
    assert (seen.full_at, seen.left_out, seen.is_due(99)) == (5, 2, False)
    assert seen.full_text().startswith("frame 5: 2 objects were found by then")
    assert "; 2 more there are left out, and later frames are not looked at" in seen.full_text()


def test_a_session_finds_what_enters_and_ids_stay(tiny_model):
    """The model's masks are of random weights, so that what it follows is told here."""
    looked: list[int] = []

    def find(frame):
        looked.append(frame.frame_idx)
        return squares(frame) if frame.frame_idx in (0, ENTERS) else []

    session = Session(tiny_model, lookout=Lookout(2, find=find))
    results = [session.track(picture(index)) for index in range(7)]
    assert looked == [0, 2, 4, 6]
    first = [one for one in session.found if one.frame_idx == 0]
    assert [one.object_id for one in first] == [1]
    assert np.array_equal(
        first[0].prompt().mask, squares(count_frame(picture(0), 0, Fraction(1)))[0]
    )
    assert {one.frame_idx for one in session.found} == {0, 4}
    ids = [sorted(result.objects) for result in results]
    assert ids[:4] == [[1]] * 4
    assert ids[4] == [one.object_id for one in session.found]
    assert ids[4:] == [ids[4]] * 3


def test_it_is_the_track_of_what_was_found(tiny_model, tmp_path):
    """Whoever has the prompts that were found gets the same masks, to the last bit."""
    tracker, path = _tracker(tiny_model), clip(tmp_path / "clip", FRAMES)
    lookout = Lookout(2, find=squares, most=4)
    with open_source(path) as source, Stream(tracker, source, (), lookout=lookout) as stream:
        found = [result for _, result in stream.results()]
        newcomers = stream.seen.newcomers
    assert len({one.frame_idx for one in newcomers}) > 1
    prompts = [one.prompt() for one in newcomers]
    for ours, theirs in zip(found, tracker.track(path, prompts), strict=True):
        assert np.array_equal(ours.label_map, theirs.label_map)
        assert ours.objects == theirs.objects


def test_it_goes_on_after_any_frame_as_if_it_had_not_stopped(tiny_model, tmp_path):
    tracker, path = _tracker(tiny_model), clip(tmp_path / "clip", FRAMES)
    lookout = Lookout(2, find=squares, most=4)
    with open_source(path) as source, Stream(tracker, source, (), lookout=lookout) as stream:
        whole = [result for _, result in stream.results()]
        seen, warnings = stream.seen, list(source.warnings)
    assert warnings == [seen.full_text()]
    for stop in (1, 4, 6):
        with open_source(path) as source:
            spool = tmp_path / f"{stop}.spool"
            with Stream(tracker, source, (), lookout=lookout, spool=spool) as first:
                for _ in zip(range(stop), first.results()):  # noqa: B905
                    saved = first.checkpoint()
        with open_source(path) as source:
            with Stream(tracker, source, (), lookout=lookout, spool=spool, resume=saved) as second:
                rest = [result for _, result in second.results()]
                assert second.seen == seen
            assert source.warnings == warnings
        for ours, theirs in zip(rest, whole[stop:], strict=True):
            assert np.array_equal(ours.label_map, theirs.label_map)
            assert ours.objects == theirs.objects


def _empty(one: Newcomer) -> Newcomer:
    return replace(one, packed=base64.b64encode(zlib.compress(bytes(8))).decode())


def test_a_saved_state_holds_what_was_found_and_older_ones_hold_nothing():
    frame = count_frame(np.zeros((8, 8, 3), np.uint8), 5, Fraction(24))
    seen, _ = look(Lookout(2), Seen(), frame, np.zeros((8, 8), bool), (), [np.eye(8, dtype=bool)])
    cpu = torch.device("cpu")
    assert from_bytes(to_bytes(SessionState({}, (), seen)), cpu).seen == seen
    assert from_bytes(to_bytes(SessionState({}, ())), cpu).seen == Seen()
    seen.check((8, 8))
    (one,) = seen.newcomers
    for broken in (replace(one, packed="AAAA"), replace(one, size_hw=(90, 80)), _empty(one)):
        with pytest.raises(ValueError, match="a saved mask is"):
            replace(seen, newcomers=(broken,)).check(broken.size_hw)
    with pytest.raises(ValueError, match="of another size"):
        seen.check((8, 9))
    for wrong in ({}, {**seen.as_plain(), "next_look": "7"}, {**seen.as_plain(), "left_out": -1}):
        with pytest.raises((TypeError, LookupError)):
            Seen.from_plain(wrong)


def test_a_damaged_frame_is_not_looked_at_but_the_next_is(tiny_model):
    looked: list[int] = []
    session = Session(
        tiny_model, lookout=Lookout(3, find=lambda f: looked.append(f.frame_idx) or [])
    )
    for index in range(9):
        frame = count_frame(picture(index), index, Fraction(24))
        session.track(replace(frame, is_corrupt=index == 3))
    assert looked == [0, 4, 7]


def test_prompts_and_a_lookout_stand_together(tiny_model, tmp_path):
    tracker, path = _tracker(tiny_model), clip(tmp_path / "clip", 3)
    corner = np.zeros(SIZE_HW, bool)
    corner[:8, :8] = True
    box, lookout = vos.Box(1, (40, 40, 90, 60)), Lookout(9, find=lambda _frame: [corner])
    found = list(tracker.track(path, [box], lookout=lookout))
    is_new = found[0].masks[1][:8, :8].sum() <= 32
    assert [sorted(one.objects) for one in found] == [[1, 2] if is_new else [1]] * 3
    own = tracker.track(map(picture, range(3)), lookout=Lookout(1, find=squares, most=1))
    with pytest.warns(vos.VosWarning, match="frame 0: 1 objects were found by then"):
        assert [sorted(result.objects) for result in own] == [[1]] * 3


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Lookout(0), "every=0: it is a number of frames"),
        (lambda: Lookout(2.5), "every=2.5"),  # pyright: ignore
        (lambda: Lookout(1, most=256), "most=256"),
        (lambda: Session(None, lookout=Lookout(1), reverse=True), "forward only"),  # pyright: ignore
    ],
)
def test_what_has_two_readings_is_refused(make, says):
    with pytest.raises(UsageError, match=says):
        make()


@pytest.mark.parametrize("direction", ["backward", "both"])
def test_a_lookout_goes_forward(tiny_model, direction):
    with pytest.raises(UsageError, match="a lookout goes forward"):
        _tracker(tiny_model).track("a.mp4", lookout=Lookout(1), direction=direction)


@pytest.mark.parametrize("value", [24, True, "24", Lookout, np.zeros(3)])
def test_what_is_no_lookout_is_refused(tiny_model, value):
    tracker = _tracker(tiny_model)
    for call in (
        lambda: tracker.track("a.mp4", lookout=value),
        lambda: tracker.session(lookout=value),
    ):
        with pytest.raises(UsageError, match=r"is no vos\.Lookout; give one"):
            call()


def test_without_prompts_there_must_be_a_lookout(tiny_model):
    with pytest.raises(PromptError, match="or a Lookout"):
        _tracker(tiny_model).track("a.mp4")


@pytest.mark.parametrize(
    "mask", [np.zeros((3, 4), bool), np.zeros(SIZE_HW, np.uint8), [[True]], None]
)
def test_a_finder_s_masks_are_checked(tiny_model, mask):
    session = Session(tiny_model, lookout=Lookout(1, find=lambda _frame: [mask]))
    with pytest.raises(UsageError, match=r"find gave .* on frame 0: a mask is a bool array"):
        session.track(picture(0))


def test_the_model_is_asked_with_the_values_that_suit_it(tiny_model, monkeypatch):
    asked: list[Everything | None] = []
    monkeypatch.setattr(
        "vos.track.lookout.find_everything", lambda _m, _i, wanted, _d: asked.append(wanted) or []
    )
    _tracker(tiny_model).session(lookout=Lookout(1)).track(picture(0))
    Session(tiny_model, lookout=Lookout(1)).track(picture(0))
    assert asked == [suit_model("tiny"), None]
    assert suit_model("nano") == Everything(min_iou=0.6, min_stability=0.7)
