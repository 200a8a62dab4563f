"""Any order gives the pixels that reading forward gives, from a bounded cache."""

from __future__ import annotations

import random
from pathlib import Path

import av
import numpy as np
import pytest

from e2e.clips import HEIGHT, WIDTH, images, picture, video
from vos.errors import UsageError
from vos.io import random_access
from vos.io.decode import decode_pictures, open_video
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


@pytest.fixture(scope="module")
def far_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 frames, one key frame, and pictures that no other is made from."""
    path = tmp_path_factory.mktemp("far") / "clip.mp4"
    options = {"g": "250", "bf": "3", "sc_threshold": "0"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(60):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index), "rgb24")))
        container.mux(stream.encode())
    return path


def test_on_the_way_from_a_far_key_frame_pictures_are_left_out(
    far_keys: Path, monkeypatch: pytest.MonkeyPatch
):
    expected = forward(far_keys)
    with open_video(far_keys) as (container, stream):
        shown = list(decode_pictures(container, stream))
    needed = shown[50].raw_pts
    with open_video(far_keys) as (container, stream):
        fewer = list(decode_pictures(container, stream, needed_from=needed))
    assert len(fewer) < len(shown) - 10
    assert [one.raw_pts for one in fewer[-10:]] == [one.raw_pts for one in shown[50:]]
    monkeypatch.setattr(VideoIndex, "_from_beginning", None)  # it is not needed
    with open_source(far_keys) as source, RandomAccess(source) as frames:
        frames.read(59)
        for idx in (50, 51, 17, 40, 58, 20, 19, 18, 5, 33):
            frames._cache.clear()
            assert np.array_equal(frames.read(idx), expected[idx]), idx


@pytest.mark.parametrize(("ahead", "opened"), [(15, 1), (24, 1), (26, 2), (10, 2)])
def test_a_file_is_opened_again_only_where_that_is_sooner(
    far_keys: Path, monkeypatch: pytest.MonkeyPatch, ahead: int, opened: int
):
    """The file stands after frame 12: up to 24 it is read on, then seeking leaves out more."""
    starts: list[int] = []
    follow = VideoIndex.follow
    monkeypatch.setattr(
        VideoIndex, "follow", lambda self, low: starts.append(low) or follow(self, low)
    )
    with open_source(far_keys) as source, RandomAccess(source) as frames:
        frames.read(12)
        frames.read(ahead)
    assert len(starts) == opened


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
