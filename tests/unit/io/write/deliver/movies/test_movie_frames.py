"""Frames as encoders take them: mattes are exact, and colours those of a plain conversion."""

from __future__ import annotations

import numpy as np
import pytest
from av import VideoFrame

from vos.io.write.deliver.movies.frames import (
    convert_colours,
    convert_matte,
    lay_matte,
    read_alpha,
    read_luma,
)

FORMATS = ["yuva444p10le", "yuva420p", "bgra", "argb"]


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("size_hw", [(48, 64), (47, 63), (3, 1), (34, 722)])
def test_a_matte_and_the_colours_stay_as_they_are(pixel_format, size_hw):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    colours = convert_colours(image, pixel_format)
    for _ in range(3):
        matte = rng.integers(0, 256, size_hw, dtype=np.uint8)
        frame = lay_matte(colours, matte)
        assert (frame.height, frame.width, frame.format.name) == (*size_hw, pixel_format)
        np.testing.assert_array_equal(read_alpha(frame), matte)
        plain = VideoFrame.from_ndarray(np.dstack([image, matte]), format="rgba").reformat(
            format=pixel_format, dst_colorspace="ITU709", dst_color_range="MPEG", threads=1
        )
        size = 4 if len(frame.planes) == 1 else 2 if pixel_format.endswith("10le") else 1
        for ours, theirs in list(zip(frame.planes, plain.planes, strict=True))[:3]:
            # From RGBA chroma is rounded in another way than from RGB.
            difference = values(ours, size) - values(theirs, size)
            assert np.abs(difference).max() <= (1 if pixel_format == "yuva420p" else 0)


def values(plane, size_bytes):
    """Return the bytes of a plane's pixels, without what fills its rows up."""
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)
    return rows[:, : plane.width * size_bytes].astype(int)


def test_the_first_colours_are_not_written_over():
    image = np.full((16, 16, 3), 90, np.uint8)
    colours = convert_colours(image, "bgra")
    opaque = lay_matte(colours, np.full((16, 16), 255, np.uint8))
    lay_matte(colours, np.zeros((16, 16), np.uint8))
    assert read_alpha(opaque).all()


def test_luma_is_read_exactly():
    matte = np.arange(256, dtype=np.uint8).repeat(8).reshape(32, 64)
    luma = convert_matte(matte, "yuv422p10le")
    assert np.abs(read_luma(luma).astype(int) - matte).max() <= 1
    ends = convert_matte(np.array([[0, 255] * 8] * 8, np.uint8), "yuv422p10le")
    np.testing.assert_array_equal(read_luma(ends), [[0, 255] * 8] * 8)
