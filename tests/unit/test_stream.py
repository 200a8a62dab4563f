"""Reading ahead changes no mask, and what the model needs not is not made."""

from __future__ import annotations

import threading
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
from vos.io.write.overlay.encode import draw_yuv
from vos.model.gpu.record_model import record_model
from vos.model.load import ModelInfo
from vos.model.sam2 import Sam2Model
from vos.refine.base import NoRefiner
from vos.stream import Stream
from vos.track import look_ahead
from vos.track.compose import compose
from vos.track.policy import Fifo

FRAMES = 12


@pytest.fixture
def tracker(tiny_model):
    info = ModelInfo("tiny", "nano", Path(), "", tiny_model.image_size, False)
    return Tracker(tiny_model, info, NoRefiner(), torch.float32, Fifo())


@pytest.mark.parametrize(
    ("direction", "needed"), [("forward", 7), ("backward", 6), ("both", 7 + 6)]
)
def test_frames_are_resized_in_other_threads_where_the_model_sees_them(
    tracker, tmp_path, monkeypatch, direction, needed
):
    threads: list[threading.Thread] = []
    real = look_ahead.resize_image

    def spy(*args):
        threads.append(threading.current_thread())
        return real(*args)

    monkeypatch.setattr(look_ahead, "resize_image", spy)
    prompts = [vos.Box(1, (10.0, 8.0, 40.0, 36.0), frame_idx=5)]
    with open_source(clips.video(tmp_path / "clip.mp4", FRAMES)) as source:
        found = [r for _, r in tracker.stream(source, prompts, direction=direction)]
        assert len(threads) == needed
        assert threading.main_thread() not in threads
        monkeypatch.undo()
        if direction == "forward":
            session = tracker.session(prompts)
            alone = [compose(frame, session.decode(frame)) for frame in source.frames()]
            for one, other in zip(found, alone, strict=True):
                assert np.array_equal(one.label_map, other.label_map)
                assert one.objects == other.objects


def test_the_overlay_is_drawn_where_the_frame_is(tracker, tmp_path):
    """As on a GPU: frames are uploaded, and results carry the planes that the sink would make."""
    model = record_model(Sam2Model(tracker.model.net, exact=False), StandIn())
    tracker = replace(tracker, model=model)
    prompts = [vos.Box(1, (10.0, 8.0, 40.0, 36.0))]
    with open_source(clips.video(tmp_path / "clip.mp4", FRAMES)) as source:
        found = []
        for draws in (True, False):
            with Stream(tracker, source, prompts, draws_overlay=draws) as stream:
                found.append(list(stream.results()))
    for (frame, drawn), (_, plain) in zip(*found, strict=True):
        assert plain.overlay_yuv is None
        assert np.array_equal(drawn.label_map, plain.label_map)
        planes = draw_yuv(frame.image, drawn.label_map).to_ndarray()
        assert drawn.overlay_yuv is not None
        assert np.abs(drawn.overlay_yuv.astype(int) - planes).max() <= 1
