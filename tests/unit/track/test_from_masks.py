"""A track resumed from masks goes on about as the run that gave them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import vos
from e2e import clips
from vos.frame import Frame, FrameResult, ObjectResult
from vos.prompts import Box
from vos.track.from_masks import KnownMask, remember_masks
from vos.track.memory_bank import MemoryBank
from vos.track.session import Session
from vos_eval.metrics.region import jaccard

BOX = Box(1, (20.0, 16.0, 52.0, 48.0))
FRAMES, RESUMED_AT = 36, 18


@pytest.fixture(scope="module")
def tracker() -> vos.Tracker:
    return vos.load("nano", refiner="none", device="cpu")


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 90, (clips.HEIGHT, clips.WIDTH, 3)).astype(np.uint8)
    square = rng.integers(90, 255, (32, 32, 3)).astype(np.uint8)
    made = []
    for index in range(FRAMES):
        image = ground.copy()
        image[16:48, 20 + index : 52 + index] = square
        made.append(Frame(image, Fraction(index, 24), index, f"{index:05d}"))
    return made


def known(result: FrameResult) -> dict[int, KnownMask]:
    return {i: KnownMask(mask, result.objects[i]) for i, mask in result.masks.items()}


def test_the_masks_that_follow_are_close_to_the_uninterrupted_run(tracker, frames):
    whole = list(tracker.session([BOX]).run(frames))
    session = tracker.session([BOX])
    session.decode(frames[0])
    banks = session.banks
    for frame in frames[RESUMED_AT - 15 : RESUMED_AT]:
        banks = remember_masks(tracker.engine, banks, frame, known(whole[frame.frame_idx]))
    session = tracker.session(banks=banks)
    follow = [session.track(frame) for frame in frames[RESUMED_AT:]]
    overlaps = [jaccard(a.masks[1], whole[a.frame_idx].masks[1]) for a in follow]
    assert np.mean(overlaps) > 0.95
    assert min(overlaps) > 0.9
    # The memories matter: from the first frame's alone, the masks are further off.
    session = tracker.session([BOX])
    session.decode(frames[0])
    alone = session.track(frames[RESUMED_AT]).masks[1]
    assert jaccard(alone, whole[RESUMED_AT].masks[1]) < overlaps[0]


def test_memories_are_kept_as_tracking_keeps_them(tiny_model, make_frames):
    frames = make_frames(20)
    tracked = Session(tiny_model, [Box(1, (10.0, 8.0, 40.0, 36.0))])
    results = [tracked.track(frame) for frame in frames]
    engine = tracked.engine
    banks = remember_masks(engine, {}, frames[0], known(results[0]), prompted=True)
    for frame in frames[1:]:
        banks = remember_masks(engine, banks, frame, known(results[frame.frame_idx]))
    one, other = tracked.banks[1], banks[1]
    assert [e.frame_idx for e in other.prompted] == [0]
    assert [e.frame_idx for e in other.recent] == [e.frame_idx for e in one.recent]
    assert [e.spatial is None for e in other.recent] == [e.spatial is None for e in one.recent]
    shape = one.recent[-1].spatial.shape
    assert other.recent[-1].spatial.shape == shape
    assert other.first_prompt is not None
    assert float(other.recent[-1].iou_pred[0, 0]) == pytest.approx(
        results[-1].objects[1].iou_pred, abs=1e-6
    )


def test_an_empty_mask_is_remembered_as_absence(tiny_model, make_frames):
    frame = make_frames(1)[0]
    empty = KnownMask(np.zeros(frame.size_hw, dtype=bool), ObjectResult(0.4, 3.0))
    shown = KnownMask(np.ones(frame.size_hw, dtype=bool), ObjectResult(0.4, 3.0))
    banks = remember_masks(Session(tiny_model).engine, {}, frame, {1: empty, 2: shown})
    assert float(banks[1].recent[0].object_score[0, 0]) < 0
    assert float(banks[2].recent[0].object_score[0, 0]) == 3


def test_nothing_known_is_nothing_done(tiny_model, make_frames):
    engine, banks = Session(tiny_model).engine, {1: MemoryBank()}
    assert remember_masks(engine, banks, make_frames(1)[0], {}) == banks


def test_a_negative_point_may_correct_an_object_that_was_taken_up(tiny_model, make_frames):
    frames = make_frames(3)
    mask = np.zeros(frames[0].size_hw, dtype=bool)
    mask[10:30, 10:40] = True
    known = {1: KnownMask(mask, ObjectResult(0.9, 5.0))}
    engine = Session(tiny_model).engine
    banks = remember_masks(engine, {}, frames[0], known, prompted=True)
    point = vos.Points(1, ((50.0, 40.0),), (0,), frame_idx=2)
    session = Session(tiny_model, [point], banks=banks)
    session.track(frames[2])
    assert [entry.frame_idx for entry in session.banks[1].prompted] == [0, 2]
