"""Clicked pixels are as clicked, by models that propagate masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import vos
from vos.model.types import Decoded, ModelPrompt
from vos.prompts import Box, MaskPrompt, Points
from vos.track.obeyed_clicks import lift_clicked, obey_clicks

SIDE = 32
SIZE_HW = (90, 120)


@pytest.fixture(scope="module", params=["none", "auto"])
def tracker(request) -> vos.Tracker:
    return vos.load("nano", refiner=request.param, device="cpu")


def keys_of(generator: torch.Generator, side: int = 16) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(1, 8, side, side, generator=generator))


clicks = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 1)),
    min_size=1,
    max_size=8,
    unique_by=lambda click: click[:2],
)
"""Cells of a grid of 4 x 4, and labels."""


@given(seed=st.integers(0, 1000), clicked=clicks)
@settings(max_examples=50)
def test_clicked_pixels_are_on_their_side(seed, clicked):
    generator = torch.Generator().manual_seed(seed)
    logits = 20 * torch.randn(1, 1, SIDE, SIDE, generator=generator)
    points = torch.tensor([[x, y] for x, y, _ in clicked])[None] / 4 + 0.125
    labels = torch.tensor([[label for _, _, label in clicked]])
    lifted = lift_clicked(logits, points, labels, keys_of(generator))
    x, y = (points[0] * SIDE).long().T
    assert ((lifted[0, 0, y, x] > 0) == (labels[0] == 1)).all()


def test_what_is_far_away_or_unlike_stays():
    keys = torch.zeros(1, 2, SIDE, SIDE)
    keys[:, 0, :, : SIDE // 2] = 1.0
    keys[:, 1, :, SIDE // 2 :] = 1.0
    logits = torch.full((1, 1, SIDE, SIDE), -4.0)
    lifted = lift_clicked(logits, torch.tensor([[[0.4, 0.5]]]), torch.tensor([[1]]), keys)
    mask = lifted[0, 0] > 0
    assert mask[16, 12]
    assert mask[14, 10], "near, and alike"
    assert not mask[:, SIDE // 2 :].any(), "not alike"
    assert not mask[:5].any(), "far away"
    assert torch.allclose(lifted[0, 0, 0, 31], torch.tensor(-4.0), atol=1e-3)


def test_sure_pixels_box_corners_and_padding_change_nothing():
    generator = torch.Generator().manual_seed(1)
    logits = torch.full((1, 1, SIDE, SIDE), -9.0)
    points = torch.rand(1, 4, 2, generator=generator)
    labels = torch.tensor([[2, 3, -1, 0]])
    assert torch.equal(lift_clicked(logits, points, labels, keys_of(generator)), logits)


def test_rows_are_apart():
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(2, 1, SIDE, SIDE, generator=generator)
    points, labels = torch.rand(2, 3, 2, generator=generator), torch.tensor([[1, 0, 1], [0, -1, 1]])
    keys = keys_of(generator)
    both = lift_clicked(logits, points, labels, keys)
    for row in range(2):
        one = slice(row, row + 1)
        alone = lift_clicked(logits[one], points[one], labels[one], keys)
        assert torch.allclose(both[one], alone, atol=1e-4)


@given(seed=st.integers(0, 1000), clicked=clicks)
@settings(max_examples=10, deadline=None)
def test_an_image_that_shows_nothing_obeys_too(tracker, seed, clicked):
    image = np.random.default_rng(seed).integers(0, 255, (*SIZE_HW, 3), dtype=np.uint8)
    height, width = SIZE_HW
    xy = tuple(((x + 0.5) / 4 * width, (y + 0.5) / 4 * height) for x, y, _ in clicked)
    labels = (1, *(label for _, _, label in clicked[1:]))
    mask = tracker.image(image).segment([Points(1, xy, labels)]).masks[1]
    assert [bool(mask[int(y), int(x)]) for x, y in xy] == [label == 1 for label in labels]


def test_points_beside_a_box_are_obeyed_on_its_cut_out(tracker):
    image = np.random.default_rng(1).integers(0, 255, (*SIZE_HW, 3), dtype=np.uint8)
    image[30:60, 40:80] = (200, 30, 30)
    box, out = Box(1, (40.0, 30.0, 80.0, 60.0)), Points(1, ((60.0, 45.0),), (0,))
    picture = tracker.image(image)
    assert picture.segment([box]).masks[1][45, 60]
    assert not tracker.image(image).segment([box, out]).masks[1][45, 60]


def test_a_click_on_what_is_held_to_be_hidden_brings_it_back(tracker):
    rng = np.random.default_rng(3)
    empty = rng.integers(90, 110, (*SIZE_HW, 3), dtype=np.uint8)
    first = empty.copy()
    first[30:60, 40:80] = (200, 30, 30)
    mask = np.zeros(SIZE_HW, dtype=bool)
    mask[30:60, 40:80] = True
    frames = [first, *[empty] * 4]
    prompts = [MaskPrompt(1, mask), Points(1, ((60.0, 45.0),), (1,), frame_idx=3)]
    left_alone = list(tracker.track(frames, prompts[:1]))
    assert left_alone[3].objects[1].object_score < 0, "else this shows nothing"
    result = list(tracker.track(frames, prompts))[3]
    assert result.objects[1].object_score > 0
    assert result.masks[1][45, 60]


def test_a_click_leaves_a_tracked_mask_alone_far_from_it(tracker):
    rng = np.random.default_rng(4)
    frame = rng.integers(90, 110, (*SIZE_HW, 3), dtype=np.uint8)
    frame[20:70, 20:100] = (200, 30, 30)
    mask = np.zeros(SIZE_HW, dtype=bool)
    mask[20:70, 20:100] = True
    prompts = [MaskPrompt(1, mask), Points(1, ((90.0, 45.0),), (0,), frame_idx=2)]
    alone = list(tracker.track([frame] * 3, prompts[:1]))[2].masks[1]
    corrected = list(tracker.track([frame] * 3, prompts))[2].masks[1]
    assert not corrected[45, 90]
    assert (alone[:, :50] == corrected[:, :50]).mean() > 0.99
    assert alone[45, 30]


def decoded_as(logits: torch.Tensor) -> Decoded:
    one = torch.ones(1, 1)
    return Decoded(logits, logits, logits, one, one, one, torch.zeros(1, 4), from_prompt=True)


@pytest.mark.parametrize(("labels", "is_new"), [([2, 3], True), ([2, 3, 0], True), ([1, 1], False)])
def test_a_box_on_a_tracked_frame_is_answered_anew(labels, is_new):
    generator = torch.Generator().manual_seed(5)
    now, then = (torch.randn(1, 1, SIDE, SIDE, generator=generator) for _ in range(2))
    prompt = ModelPrompt(torch.full((1, len(labels), 2), 300.0), torch.tensor([labels]))
    answer = obey_clicks(decoded_as(now), prompt, keys_of(generator), 320, decoded_as(then))
    far = (slice(None), slice(None), slice(0, 8), slice(0, 8))
    assert torch.allclose(answer.mask_logits[far], (now if is_new else then)[far], atol=1e-4)
