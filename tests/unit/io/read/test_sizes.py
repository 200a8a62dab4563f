"""Sizes at and beyond what can be handled: read, or refused with the limit named."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from contract.clips import encode
from vos.errors import InputError, UsageError
from vos.frame import Frame, FrameResult
from vos.io.read import decode, size_limits
from vos.io.read.open import open_source
from vos.io.read.scene_cuts import CutState
from vos.io.read.still import read_still
from vos.io.write.overlay.sink import OverlaySink

SIDES = [(1, 1), (2, 1), (1, 2), (3, 5), (40, 1), (4096, 16), (16, 4096), (16384, 2), (20000, 1)]


def flat(number: int, width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 50 * number, np.uint8)


@pytest.mark.parametrize("size_wh", SIDES)
def test_narrow_frames_are_read(size_wh: tuple[int, int], tmp_path: Path) -> None:
    width, height = size_wh
    clip = encode(
        tmp_path / "a.mov", 3, codec="png", pixel_format="rgb24", size_wh=size_wh, draw=flat
    )
    with open_source(clip) as source:
        assert source.info.size_hw == (height, width)
        frames = [frame.image for frame in source.frames()]
        assert np.array_equal(frames, [flat(number, width, height) for number in range(3)])
        backward = [frame.image for frame in source.frames_reversed(2)]
        assert np.array_equal(backward, frames[::-1])
    Image.fromarray(flat(1, width, height)).save(tmp_path / "a.png")
    assert np.array_equal(read_still(tmp_path / "a.png"), flat(1, width, height))


@pytest.mark.parametrize("size_wh", [one for one in SIDES if max(one) <= 16384])
def test_narrow_overlays_are_written(size_wh: tuple[int, int], tmp_path: Path) -> None:
    width, height = size_wh
    with OverlaySink(tmp_path / "o.mp4", frame_rate=Fraction(25)) as sink:
        for number in range(3):
            frame = Frame(flat(number, width, height), Fraction(number, 25), number, str(number))
            labels = np.ones((height, width), np.uint8)
            sink.write(frame, FrameResult(number, frame.pts, frame.name, labels, {}))
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert len(list(container.decode(video=0))) == 3


@pytest.mark.parametrize("size_wh", [(16385, 2), (2, 17000)])
def test_an_overlay_too_wide_names_the_limit(size_wh: tuple[int, int], tmp_path: Path) -> None:
    width, height = size_wh
    frame = Frame(flat(0, width, height), Fraction(0), 0, "0")
    labels = np.ones((height, width), np.uint8)
    with (
        pytest.raises(UsageError, match=r"16,384 pixels"),
        OverlaySink(tmp_path / "o.mp4", frame_rate=Fraction(25)) as sink,
    ):
        sink.write(frame, FrameResult(0, Fraction(0), "0", labels, {}))


@given(st.integers(1, 60), st.integers(1, 3000), st.booleans())
def test_cuts_are_looked_for_at_any_ratio(short: int, long: int, is_wide: bool) -> None:
    height, width = (short, long) if is_wide else (long, short)
    noise = np.random.default_rng(width * height)
    state = CutState()
    for _ in range(2):
        state = state.after(noise.integers(0, 2, (height, width, 3), np.uint8) * 255)
    small = state.thumbnail
    assert small is None or (min(small.shape) >= 1 and max(small.shape) < 256)


def test_video_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = encode(tmp_path / "a.mp4", 3, size_wh=(64, 48))
    monkeypatch.setattr(size_limits, "MOST_VIDEO_PIXELS", 64 * 48)
    assert open_source(clip).info.size_hw == (48, 64)
    monkeypatch.setattr(size_limits, "MOST_VIDEO_PIXELS", 64 * 48 - 1)
    with pytest.raises(InputError, match=r"64 x 48 are 3,072 pixels, .* may have 3,071"):
        open_source(clip)


def test_a_size_that_grows_beyond_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = encode(tmp_path / "small.ts", 20, size_wh=(64, 48)).read_bytes()
    both = tmp_path / "both.ts"
    both.write_bytes(small + encode(tmp_path / "large.ts", 20, size_wh=(640, 480)).read_bytes())
    with open_source(both) as source:
        monkeypatch.setattr(size_limits, "MOST_VIDEO_PIXELS", 64 * 64)
        frames = list(source.frames())
    assert {frame.size_hw for frame in frames} == {(48, 64)}
    assert all(frame.is_corrupt for frame in frames[20:])
    assert len(frames) > 20
    assert any("damaged" in line for line in source.warnings)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp", "ppm", "avif"])
def test_stills_beyond_the_limit(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(flat(1, 64, 48)).save(path)
    monkeypatch.setattr(size_limits, "MOST_STILL_PIXELS", 64 * 48)
    assert read_still(path).shape == (48, 64, 3)
    monkeypatch.setattr(size_limits, "MOST_STILL_PIXELS", 64 * 48 - 1)
    for read in (read_still, open_source):
        with pytest.raises(InputError, match=r"64 x 48 are 3,072 pixels, .* may have 3,071"):
            read(path)


def test_a_still_that_only_claims_to_be_large(tmp_path: Path) -> None:
    for side in (10_000, 13_300, 60_000):  # Pillow warns of the first and refuses the last
        path = tmp_path / f"{side}.ppm"
        path.write_bytes(b"P5 %d %d 255\n" % (side, side) + bytes(100))
        with pytest.raises(InputError, match=r"104,857,600|broken") as caught:
            read_still(path)
        assert ("broken" in str(caught.value)) == (side == 10_000)


def test_memory_for_large_frames_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert size_limits.memory_note((2160, 3840), None) is None
    assert size_limits.memory_note((6000, 8000), 1) is None
    assert "1.3 GB" in (size_limits.memory_note((4096, 4096), None) or "")
    assert size_limits.memory_note((4320, 7680), None) is None
    assert "1.6 GB" in (size_limits.memory_note((8192, 8192), None) or "")
    assert "1.5 GB" in (size_limits.memory_note((10_000, 10_000), 1) or "")
    monkeypatch.setattr(size_limits, "_MENTIONED_BYTES", 1)
    Image.fromarray(flat(1, 64, 48)).save(tmp_path / "a.png")
    for path in (tmp_path / "a.png", tmp_path, encode(tmp_path.parent / "a.mp4", 3)):
        with open_source(path) as source:
            assert sum("GB for them" in line for line in source.warnings) == 1


def test_huge_frames_are_not_copied_and_look_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "a.mp4", 3)
    before = [frame.image for frame in open_source(path).frames()]
    monkeypatch.setattr(decode, "_MOST_PIXELS_PER_THREAD", 1)
    after = [frame.image for frame in open_source(path).frames()]
    assert all(np.array_equal(*pair) for pair in zip(before, after, strict=True))
