"""Display matrices: all eight orientations, angles beside them, and what is no orientation."""

from __future__ import annotations

import itertools
import math
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from contract.clips import encode
from vos.errors import UsageError
from vos.frame import FrameResult
from vos.io.read.open import open_source
from vos.io.read.orientation import DisplayMatrix, Orientation
from vos.io.write.overlay.sink import OverlaySink

EIGHT = [
    *(((x, 0), (0, y)) for x, y in itertools.product((1, -1), repeat=2)),
    *(((0, x), (y, 0)) for x, y in itertools.product((1, -1), repeat=2)),
]


def with_matrix(clip: Path, rows: tuple[tuple[float, float], tuple[float, float]]) -> Path:
    """Write a copy of an mp4 whose track header holds this display matrix."""
    data = bytearray(clip.read_bytes())
    (a, b), (c, d) = ((round(65536 * x), round(65536 * y)) for x, y in rows)
    struct.pack_into(">9i", data, data.index(b"tkhd") + 44, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path = clip.with_name(f"m{a}_{b}_{c}_{d}.mp4")
    path.write_bytes(data)
    return path


def turned(rows: Any, degrees: float) -> Any:
    """Turn where both axes point to."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return tuple((x * cos - y * sin, x * sin + y * cos) for x, y in rows)


def place(image: np.ndarray, rows: tuple[tuple[int, int], tuple[int, int]]) -> np.ndarray:
    """Put every pixel where the matrix sends it, as the file format defines it."""
    (a, b), (c, d) = rows
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    right, down = a * x + c * y, b * x + d * y
    right, down = right - right.min(), down - down.min()
    out = np.empty((down.max() + 1, right.max() + 1, 3), np.uint8)
    out[down, right] = image
    return out


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("matrix") / "plain.mp4", 2, size_wh=(64, 48))


@pytest.mark.parametrize("rows", EIGHT)
@pytest.mark.parametrize("off_deg", [0, 0.006, -0.006, 1, -4.5, 4.5])
def test_a_matrix_moves_pixels_where_it_says(rows: Any, off_deg: float, clip: Path) -> None:
    with open_source(clip) as upright:
        stored = next(upright.frames()).image
    with open_source(with_matrix(clip, turned(rows, off_deg))) as source:
        forward = [frame.image for frame in source.frames()]
        assert np.array_equal(forward[0], place(stored, rows))
        assert source.info.size_hw == forward[0].shape[:2]
        assert not source.warnings
        backward = [frame.image for frame in source.frames_reversed(1)]
        assert np.array_equal(backward[::-1], forward)


@pytest.mark.parametrize("rows", EIGHT)
@pytest.mark.parametrize("off_deg", [6, -6, 45, -30])
def test_other_angles_are_said_and_left(rows: Any, off_deg: float, clip: Path) -> None:
    with open_source(clip) as upright, open_source(with_matrix(clip, turned(rows, off_deg))) as odd:
        assert np.array_equal(next(odd.frames()).image, next(upright.frames()).image)
        assert any("display matrix" in line and "as stored" in line for line in odd.warnings)


def test_a_matrix_that_maps_a_frame_to_a_line_is_no_orientation() -> None:
    assert DisplayMatrix((0, 0), (0, 0)).orientation() is None
    assert DisplayMatrix((1, 0), (1, 0)).orientation() is None
    assert DisplayMatrix((5, 0), (0, 9)).orientation() == Orientation()


def test_ffmpegs_own_matrix_of_a_turn() -> None:
    """A matrix from `av_display_rotation_set(90)`: counter-clockwise."""
    assert DisplayMatrix((0, -65536), (65536, 0)).orientation() == Orientation(90)


def test_decord_refuses_what_it_would_turn_upside_down(clip: Path) -> None:
    pytest.importorskip("decord")
    with pytest.raises(UsageError, match="mirrors"):
        open_source(with_matrix(clip, ((-1, 0), (0, 1))), decoder="decord")


@pytest.mark.parametrize("rows", [((1, 0), (0, 1)), ((0, 1), (-1, 0))])
@pytest.mark.parametrize("aspect", [Fraction(64, 45), Fraction(8, 9), Fraction(1)])
def test_the_overlay_is_stretched_too(rows: Any, aspect: Fraction, tmp_path: Path) -> None:
    def squeeze(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = aspect

    plain = encode(tmp_path / "dv.mp4", 2, size_wh=(96, 64), prepare=squeeze)
    with open_source(with_matrix(plain, rows)) as source:
        info = source.info
        expected = 1 / aspect if rows[0][0] == 0 else aspect
        assert info.frame_pixel_aspect == expected
        with OverlaySink.for_source(tmp_path / "o.mp4", info) as sink:
            for frame in source.frames():
                nothing = np.zeros(frame.size_hw, np.uint8)
                sink.write(frame, FrameResult(frame.frame_idx, frame.pts, frame.name, nothing, {}))
    with av.open(str(tmp_path / "o.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.sample_aspect_ratio or 1) == expected
        assert (stream.height, stream.width) == info.size_hw
