"""Reading ahead changes no mask, and what the model needs not is not made."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

import vos
from e2e import clips
from vos.api import Tracker
from vos.io.read.open import open_source
from vos.model.load import ModelInfo
from vos.refine.base import NoRefiner
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
