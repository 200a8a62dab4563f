"""The Python API over a folder of images: directions, ranges, errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import vos
from vos.api import Tracker
from vos.errors import InputError, ModelError, PromptError, UsageError
from vos.io.read.open import open_source
from vos.loading import load
from vos.refine.base import NoRefiner
from vos.track.compose import label_map
from vos.track.policy import Fifo
from vos.track.session import Session

BOX = (10.0, 8.0, 40.0, 36.0)


@pytest.fixture
def tracker(tiny_model):
    return Tracker(tiny_model, None, NoRefiner(), torch.float32, Fifo())


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(10):
        image = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(image).save(tmp_path / f"shot.{1001 + index}.png")
    return tmp_path


def test_names_are_public():
    for name in vos.__all__:
        assert getattr(vos, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = vos.nothing


def test_forward_yields_every_frame_with_its_source_name(tracker, folder):
    results = list(tracker.track(folder, [vos.Box(1, BOX)]))
    assert [r.name for r in results] == [f"shot.{1001 + i}" for i in range(10)]
    assert [r.frame_idx for r in results] == list(range(10))
    assert all(list(r.objects) == [1] for r in results)


def test_range_keeps_absolute_frame_numbers(tracker, folder):
    results = list(tracker.track(folder, [vos.Box(1, BOX, frame_idx=4)], start=3, end=8))
    assert [r.frame_idx for r in results] == [3, 4, 5, 6, 7]
    assert [bool(r.objects) for r in results] == [False, True, True, True, True]


def test_backward_comes_in_presentation_order_and_equals_a_reversed_session(tracker, folder):
    prompt = vos.Box(1, BOX, frame_idx=6)
    results = list(tracker.track(folder, [prompt], direction="backward"))
    assert [r.frame_idx for r in results] == list(range(10))
    assert [bool(r.objects) for r in results] == [True] * 7 + [False] * 3
    with open_source(folder) as source:
        frames = list(source.frames())
    session = Session(tracker.model, [prompt], reverse=True, frame_count=10)
    for frame in frames[6::-1]:
        logits = {i: o.logits for i, o in session.decode(frame).items()}
        expected = label_map(logits, frame.size_hw)
        assert np.array_equal(results[frame.frame_idx].label_map, expected)


def test_both_covers_all_frames_and_joins_objects(tracker, folder):
    prompts = [vos.Box(1, BOX, frame_idx=2), vos.Box(5, BOX, frame_idx=7)]
    results = list(tracker.track(folder, prompts, direction="both"))
    assert all(list(r.objects) == [1, 5] for r in results)
    forward = list(tracker.track(folder, prompts[:1]))
    both = list(tracker.track(folder, prompts[:1], direction="both"))
    for before, after in zip(forward[2:], both[2:], strict=True):
        assert np.array_equal(before.label_map, after.label_map)


def test_an_image_by_path_or_array_gives_the_mask_of_tracking_it(tracker, folder):
    path, prompts = folder / "shot.1001.png", [vos.Box(1, BOX), vos.Points(2, ((50, 40),), (1,))]
    (tracked,) = tracker.track(path, prompts)
    by_path = tracker.image(path).segment(prompts)
    by_array = tracker.image(np.array(Image.open(path))).segment(prompts)
    assert by_path.name == "shot.1001"
    for result in (by_path, by_array):
        assert np.array_equal(result.label_map, tracked.label_map)
        assert result.objects == tracked.objects


def test_an_image_that_cannot_be_segmented(tracker, folder):
    with pytest.raises(InputError, match="nowhere"):
        tracker.image(folder / "nowhere.png")
    with pytest.raises(InputError, match="uint8"):
        tracker.image(np.zeros((8, 8, 3)))
    with pytest.raises(PromptError, match="no prompt"):
        vos.segment_image(folder / "shot.1001.png", [])


def test_errors_name_the_next_step(tracker, folder):
    with pytest.raises(PromptError, match="no prompt"):
        list(tracker.track(folder, []))
    with pytest.raises(PromptError, match="frame 99"):
        list(tracker.track(folder, [vos.Box(1, BOX, frame_idx=99)]))
    with pytest.raises(UsageError, match="sideways"):
        list(tracker.track(folder, [vos.Box(1, BOX)], direction="sideways"))
    with pytest.raises(ModelError, match=r"^refiner='magic': "):
        load("nano", refiner="magic")
    with pytest.raises(UsageError, match=r"^policy='lifo': "):
        load("nano", policy="lifo")
    with pytest.raises(UsageError, match=r"^policy='samuray': .* \(did you mean 'samurai'\?\)"):
        load("nano", policy="samuray")
    with pytest.raises(UsageError, match=r"^lag=4: with policy fifo .* policy='long'"):
        load("nano", lag=4)
    with pytest.raises(UsageError, match=r"^lag: 65 is no number of frames from 0 to 64"):
        load("nano", policy="long", lag=65)
    with pytest.raises(UsageError, match=r"^dtype='float16': "):
        load("nano", dtype="float16", device="cpu")
    with pytest.raises(UsageError, match=r"^device='abacus': "):
        load("nano", device="abacus")
    with pytest.raises(ModelError, match="sam3"):
        load("sam3")


def test_closing_early_stops_the_reader(tracker, folder):
    stream = tracker.track(folder, [vos.Box(1, BOX)])
    next(stream)
    stream.close()


def test_bfloat16_agrees_with_float32(tracker, folder):
    mixed = Tracker(tracker.model, None, NoRefiner(), torch.bfloat16, Fifo())
    prompts = [vos.Box(1, BOX)]
    pairs = zip(tracker.track(folder, prompts), mixed.track(folder, prompts), strict=True)
    agreement = [(a.label_map == b.label_map).mean() for a, b in pairs]
    assert np.mean(agreement) > 0.9
