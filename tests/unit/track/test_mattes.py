"""Soft mattes: their contour is the mask's, and their edge is about a pixel wide on either side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import vos
from e2e import clips
from stand_in import StandIn
from vos.api import Tracker
from vos.io.read.open import open_source
from vos.io.write.deliver.edges import draw_soft_edge
from vos.model.gpu.record_model import record_model
from vos.model.load import ModelInfo
from vos.model.sam2 import Sam2Model
from vos.prompts import Box
from vos.refine.base import NoRefiner
from vos.stream import Stream
from vos.track.compose import ObjectLogits, begin_to_compose, compose
from vos.track.mattes import matte_pixels
from vos.track.policy import Fifo
from vos.track.resize import resize_to_video
from vos.track.session import Session

PROMPTS = [vos.Box(1, (10.0, 8.0, 40.0, 36.0), frame_idx=2), vos.Box(3, (5.0, 5.0, 30.0, 30.0))]


@pytest.fixture
def tracker(tiny_model):
    info = ModelInfo("tiny", "nano", Path(), "", tiny_model.image_size, False)
    return Tracker(tiny_model, info, NoRefiner(), torch.float32, Fifo())


def disc_logits(slope: float, size: int = 64, radius: float = 20.3) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    centre = (size - 1) / 2
    distance = radius - torch.hypot(x - centre, y - centre)
    return (slope * distance)[None, None]


@pytest.mark.parametrize("slope", [1e-4, 0.02, 1.0, 50.0])
def test_the_edge_is_a_pixel_on_either_side_however_steep_the_logits_are(slope):
    logits = disc_logits(slope)
    matte = matte_pixels({1: logits}, (64, 64))[0].float()
    distance = logits[0, 0] / slope
    assert (matte[distance > 2] == 255).all()
    assert (matte[distance < -2] == 0).all()
    expected = 255 * torch.sigmoid(4 * distance)
    near = distance.abs() < 2
    assert ((matte - expected)[near].abs() < 20).all()  # a slope is measured between pixels
    assert (matte[near].diff() != 0).any()


@pytest.mark.parametrize("size_hw", [(64, 64), (90, 160), (37, 53), (20, 300), (1, 7), (7, 1)])
def test_at_128_a_matte_is_the_objects_own_mask(size_hw):
    torch.manual_seed(0)
    for scale in (1e-6, 0.1, 3.0, 1024.0):
        logits = {i: scale * torch.randn(1, 1, 16, 16) for i in (2, 7)}
        logits[9] = torch.full((1, 1, 16, 16), -1024.0)
        logits[11] = torch.zeros(1, 1, 16, 16)
        mattes = matte_pixels(logits, size_hw)
        assert mattes.dtype == torch.uint8
        assert tuple(mattes.shape) == (4, *size_hw)
        for matte, one in zip(mattes, logits.values(), strict=True):
            assert torch.equal(matte >= 128, resize_to_video(one, size_hw)[0, 0] > 0)
        assert not mattes[2].any()


@pytest.mark.parametrize("size_hw", [(64, 64), (90, 160), (20, 300), (1, 7), (7, 1)])
@pytest.mark.parametrize("scale", [0.01, 3.0, 1024.0])
def test_exports_draw_the_same_edge(size_hw, scale):
    torch.manual_seed(0)
    logits = scale * torch.randn(1, 1, 16, 16)
    (matte,) = matte_pixels({1: logits}, size_hw)
    full = resize_to_video(logits, size_hw)[0, 0].numpy()
    drawn = draw_soft_edge(full, 0.0)
    # A pixel hardly on one side of the contour may be a level beyond it, or be rounded otherwise.
    assert np.abs(matte.numpy().astype(int) - drawn).max() <= 1
    assert len(np.unique(drawn)) >= 5


def test_mattes_overlap_where_masks_do_not(make_frames, tiny_model):
    frame = make_frames(1)[0]
    scores = Session(tiny_model, [Box(1, (4, 4, 20, 20))]).decode(frame)[1].score_pair
    high, low = torch.full((1, 1, 8, 8), 3.0), torch.full((1, 1, 8, 8), 1.0)
    objects = {1: ObjectLogits(low, scores), 2: ObjectLogits(high, scores)}
    result = begin_to_compose(frame, objects, make_mattes=matte_pixels).wait()
    assert (result.label_map == 2).all()
    assert (result.mattes[1] == 255).all()
    assert (result.mattes[2] == 255).all()
    plain = compose(frame, objects)
    assert plain.mattes == {}
    assert np.array_equal(plain.label_map, result.label_map)


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_a_soft_track_has_the_same_masks_and_mattes_of_every_object(tracker, tmp_path, direction):
    clip = clips.video(tmp_path / "clip.mp4", 6)
    plain = list(tracker.track(clip, PROMPTS, direction=direction))
    soft = list(tracker.track(clip, PROMPTS, direction=direction, soft=True))
    for one, other in zip(plain, soft, strict=True):
        assert one.mattes == {}
        assert list(other.mattes) == list(other.objects) == list(one.objects)
        assert np.array_equal(one.label_map, other.label_map)
        for object_id, matte in other.mattes.items():
            assert matte.shape == other.label_map.shape
            assert not ((other.label_map == object_id) & (matte < 128)).any()
        if other.mattes:
            own = np.max([matte >= 128 for matte in other.mattes.values()], axis=0)
            assert np.array_equal(own, other.label_map > 0)


def test_recorded_mattes_are_the_same(tiny_model):
    model = record_model(Sam2Model(tiny_model.net, exact=False), StandIn())
    recorded = model.quicken(matte_pixels, "mattes")
    with torch.inference_mode():
        for seed in range(3):
            torch.manual_seed(seed)
            logits = {i: torch.randn(1, 1, 16, 16) for i in (1, 4)}
            assert torch.equal(recorded(logits, (48, 64)), matte_pixels(logits, (48, 64)))


def test_mattes_come_with_an_overlay_that_the_device_draws(tracker, tmp_path):
    model = record_model(Sam2Model(tracker.model.net, exact=False), StandIn())
    tracker = replace(tracker, model=model)
    found = []
    with open_source(clips.video(tmp_path / "clip.mp4", 6)) as source:
        for draws in (True, False):
            with Stream(tracker, source, PROMPTS, soft=True, draws_overlay=draws) as stream:
                found.append([result for _, result in stream.results()])
    for drawn, plain in zip(*found, strict=True):
        assert drawn.overlay_yuv is not None
        assert plain.overlay_yuv is None
        assert list(drawn.mattes) == list(plain.mattes)
        assert drawn.mattes
        for object_id, matte in plain.mattes.items():
            assert np.array_equal(drawn.mattes[object_id], matte)
        assert plain.nbytes == plain.label_map.nbytes * (1 + len(plain.mattes))
