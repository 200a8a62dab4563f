"""Any order gives the pixels that reading forward gives, from a bounded cache."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from av1 import in_its_own_thread
from e2e.clips import HEIGHT, WIDTH, images, picture, video
from vos.errors import UsageError
from vos.io.read import forward, random_access
from vos.io.read.decode import decode_frames, open_video
from vos.io.read.forward import ForwardReader
from vos.io.read.open import open_source
from vos.io.read.random_access import RandomAccess
from vos.io.read.video_index import VideoIndex


def read_all(path: Path) -> list[np.ndarray]:
    with open_source(path) as source:
        return [frame.image for frame in source.frames()]


@pytest.fixture(params=["video", "images"])
def footage(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "images":
        return images(tmp_path / "images", 7)
    return video(tmp_path / "clip.mp4", 40)


def test_any_order_gives_the_pixels_of_reading_forward(footage: Path):
    expected = read_all(footage)
    order = [*range(len(expected)), *reversed(range(len(expected)))]
    random.Random(3).shuffle(order)
    order += [0, 1, 2, 3, 2, 1, 0, len(expected) - 1, 0]
    with open_source(footage) as source, RandomAccess(source) as frames:
        for idx in order:
            assert np.array_equal(frames.read(idx), expected[idx]), idx
        assert frames.count == len(expected)
        assert frames.is_complete


def far_keys_clip(path: Path, codec: str, **options: str) -> Path:
    """60 frames and one key frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=24, options={"g": "250", **options})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(60):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index), "rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def far_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With pictures that no other is made from."""
    path = tmp_path_factory.mktemp("far") / "clip.mp4"
    return far_keys_clip(path, "libx264", bf="3", sc_threshold="0")


@pytest.mark.parametrize("codec", ["libx265", "libvpx-vp9", "libsvtav1", "mpeg4"])
def test_seeking_is_trusted_in_every_common_format(
    codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    clip = in_its_own_thread(lambda: far_keys_clip(tmp_path / "clip.mkv", codec))
    expected = read_all(clip)
    with open_source(clip) as source, RandomAccess(source) as frames:
        frames.read(59)
        monkeypatch.setattr(ForwardReader, "_read_from_beginning", None)
        for idx in (50, 20):
            frames._cache.clear()
            assert np.array_equal(frames.read(idx), expected[idx]), idx
        assert frames._index is not None
        assert frames._index.leaves_out


def test_on_the_way_from_a_far_key_frame_pictures_are_left_out(
    far_keys: Path, monkeypatch: pytest.MonkeyPatch
):
    expected = read_all(far_keys)
    with open_video(far_keys) as (container, stream):
        shown = list(decode_frames(container, stream))
    needed = shown[50].raw_pts
    with open_video(far_keys) as (container, stream):
        fewer = list(decode_frames(container, stream, needed_from=lambda: needed))
    assert len(fewer) < len(shown) - 10
    assert [one.raw_pts for one in fewer[-10:]] == [one.raw_pts for one in shown[50:]]
    monkeypatch.setattr(ForwardReader, "_read_from_beginning", None)  # it is not needed
    with open_source(far_keys) as source, RandomAccess(source) as frames:
        frames.read(59)
        for idx in (50, 51, 17, 40, 58, 20, 19, 18, 5, 33):
            frames._cache.clear()
            assert np.array_equal(frames.read(idx), expected[idx]), idx


@pytest.mark.parametrize(("to", "sought"), [(13, 1), (15, 1), (39, 1), (59, 1), (10, 2)])
def test_the_file_is_opened_once_and_read_on_up_to_the_next_key_frame(
    far_keys: Path, monkeypatch: pytest.MonkeyPatch, to: int, sought: int
):
    """It stands after frame 12 of a clip with one key frame."""
    starts: list[int] = []
    opened: list[Path] = []
    seek = ForwardReader.seek
    monkeypatch.setattr(
        ForwardReader, "seek", lambda self, low: starts.append(low) or seek(self, low)
    )
    monkeypatch.setattr(forward, "open_video", lambda path: opened.append(path) or open_video(path))
    expected = read_all(far_keys)
    with open_source(far_keys) as source, RandomAccess(source) as frames:
        frames.read(12)
        assert np.array_equal(frames.read(to), expected[to])
    assert len(starts) == sought
    assert len(opened) == 1


def test_reading_on_leaves_pictures_out_too(far_keys: Path, monkeypatch: pytest.MonkeyPatch):
    decoded: list[int | None] = []

    def counted(*arguments: Any, **named: Any) -> Iterator[Any]:
        for shown in decode_frames(*arguments, **named):
            decoded.append(shown.raw_pts)
            yield shown

    expected = read_all(far_keys)
    with open_source(far_keys) as source, RandomAccess(source) as frames:
        frames.read(59)
        frames.read(4)
        monkeypatch.setattr(forward, "decode_frames", counted)
        frames.read(2)  # has the next file counted
        decoded.clear()
        assert np.array_equal(frames.read(50), expected[50])
    assert len(decoded) < 40


def test_a_key_frame_on_the_way_is_sought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clip = far_keys_clip(tmp_path / "clip.mp4", "libx264", g="10", sc_threshold="0")
    starts: list[int] = []
    seek = ForwardReader.seek
    monkeypatch.setattr(
        ForwardReader, "seek", lambda self, low: starts.append(low) or seek(self, low)
    )
    expected = read_all(clip)
    with open_source(clip) as source, RandomAccess(source) as frames:
        for idx in (1, 8, 9, 10, 11, 22):  # a key frame that comes next needs no seek
            assert np.array_equal(frames.read(idx), expected[idx]), idx
    assert starts == [1, 22]


def test_seeks_that_lead_astray_are_found_out(footage: Path, monkeypatch: pytest.MonkeyPatch):
    expected = read_all(footage)
    monkeypatch.setattr(
        VideoIndex, "keys_before", lambda self, low: iter([min(len(self) - 1, low + 1)])
    )
    with open_source(footage) as source, RandomAccess(source) as frames:
        for idx in (5, 2, 6, 0):
            assert np.array_equal(frames.read(idx), expected[idx]), idx


def test_a_frame_past_the_end_is_one_line(footage: Path):
    count = len(read_all(footage))
    with open_source(footage) as source, RandomAccess(source) as frames:
        for idx in (count, -1, 10**9):
            with pytest.raises(UsageError, match=rf"{count} frames"):
                frames.read(idx)


def test_the_cache_is_bounded(footage: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(random_access, "_CACHE_BYTES", 3 * 64 * 96 * 3)
    expected = read_all(footage)
    with open_source(footage) as source, RandomAccess(source) as frames:
        for idx in (*range(7), *reversed(range(7))):
            assert np.array_equal(frames.read(idx), expected[idx])
            assert len(frames._cache) <= 3


def test_where_leaving_out_does_harm_it_is_tried_once(
    far_keys: Path, monkeypatch: pytest.MonkeyPatch
):
    """As if the decoder had left out pictures that others are made from."""
    asked: list[int | None] = []

    def harmed(
        container: Any, stream: Any, *, needed_from: Callable[[], int | None]
    ) -> Iterator[Any]:
        asked.append(begin := needed_from())
        for shown in decode_frames(container, stream):
            wrong = begin is not None and shown.raw_pts >= begin
            yield replace(shown, raw_pts=shown.raw_pts + 1) if wrong else shown

    expected = read_all(far_keys)
    with open_source(far_keys) as source, RandomAccess(source) as frames:
        frames.read(59)
        monkeypatch.setattr(forward, "decode_frames", harmed)
        monkeypatch.setattr(ForwardReader, "_read_from_beginning", None)
        for idx in (50, 20, 33):
            frames._cache.clear()
            assert np.array_equal(frames.read(idx), expected[idx]), idx
    assert asked[0] is not None
    assert set(asked[1:]) == {None}
