"""Any order gives the pixels that reading forward gives, from a bounded cache."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from e2e.clips import images, video
from vos.errors import UsageError
from vos.io import random_access
from vos.io.random_access import RandomAccess
from vos.io.source import open_source
from vos.io.video_index import VideoIndex


def forward(path: Path) -> list[np.ndarray]:
    with open_source(path) as source:
        return [frame.image for frame in source.frames()]


@pytest.fixture(params=["video", "images"])
def footage(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "images":
        return images(tmp_path / "images", 7)
    return video(tmp_path / "clip.mp4", 40)


def test_any_order_gives_the_pixels_of_reading_forward(footage: Path):
    expected = forward(footage)
    order = [*range(len(expected)), *reversed(range(len(expected)))]
    random.Random(3).shuffle(order)
    order += [0, 1, 2, 3, 2, 1, 0, len(expected) - 1, 0]
    with open_source(footage) as source, RandomAccess(source) as frames:
        for idx in order:
            assert np.array_equal(frames.read(idx), expected[idx]), idx
        assert frames.count == len(expected)
        assert frames.is_complete


def test_seeks_that_lead_astray_are_found_out(footage: Path, monkeypatch: pytest.MonkeyPatch):
    expected = forward(footage)
    monkeypatch.setattr(
        VideoIndex, "_keys_before", lambda self, low: iter([min(len(self) - 1, low + 1)])
    )
    with open_source(footage) as source, RandomAccess(source) as frames:
        for idx in (5, 2, 6, 0):
            assert np.array_equal(frames.read(idx), expected[idx]), idx


def test_a_frame_past_the_end_is_one_line(footage: Path):
    count = len(forward(footage))
    with open_source(footage) as source, RandomAccess(source) as frames:
        for idx in (count, -1, 10**9):
            with pytest.raises(UsageError, match=rf"{count} frames"):
                frames.read(idx)


def test_the_cache_is_bounded(footage: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(random_access, "_CACHE_BYTES", 3 * 64 * 96 * 3)
    expected = forward(footage)
    with open_source(footage) as source, RandomAccess(source) as frames:
        for idx in (*range(7), *reversed(range(7))):
            assert np.array_equal(frames.read(idx), expected[idx])
            assert len(frames._cache) <= 3
