"""A frame refuses what later stages could not read, and says what it is."""

from __future__ import annotations

from fractions import Fraction
from timeit import timeit

import numpy as np
import pytest

from vos.frame import Frame

IMAGE = np.zeros((4, 6, 3), np.uint8)


def frame(**changes: object) -> Frame:
    values = {"image": IMAGE, "pts": Fraction(1, 24), "frame_idx": 1, "name": "00001"}
    return Frame(**{**values, **changes})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("field", ["image", "resized"])
@pytest.mark.parametrize(
    ("image", "shown"),
    [
        (np.zeros((4, 6, 3), np.float32), "float32 4 x 6 x 3"),
        (np.zeros((4, 6, 3), bool), "bool 4 x 6 x 3"),
        (np.zeros((4, 6, 4), np.uint8), "uint8 4 x 6 x 4"),
        (np.zeros((3, 4, 6), np.uint8), "uint8 3 x 4 x 6"),
        (np.zeros((4, 6), np.uint8), "uint8 4 x 6"),
        (np.zeros((1, 4, 6, 3), np.uint8), "uint8 1 x 4 x 6 x 3"),
        (np.zeros((0, 6, 3), np.uint8), "uint8 0 x 6 x 3"),
        (np.uint8(3), "uint8"),
        ([[[0, 0, 0]]], "list"),
    ],
)
def test_an_image_of_another_type_or_shape_is_refused(field, image, shown):
    with pytest.raises(ValueError, match=rf"^{field} = {shown}: .* uint8 .*RGB.*: convert it"):
        frame(**{field: image})


@pytest.mark.parametrize("pts", [0.5, 1, None, "0"])
def test_a_time_is_an_exact_fraction(pts):
    with pytest.raises(ValueError, match=r"^pts = .*: a frame's time is .*: give "):
        frame(pts=pts)


@pytest.mark.parametrize("frame_idx", [-1, 1.0, None, np.int64(3)])
def test_frames_are_counted_from_zero(frame_idx):
    with pytest.raises(ValueError, match=r"^frame_idx = .*: frames are counted from 0.*: give "):
        frame(frame_idx=frame_idx)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((9, 6, 3), np.uint8)[::2, ::-1],
        np.broadcast_to(np.uint8(7), (4, 6, 3)),
    ],
)
def test_any_view_of_an_rgb_image_is_taken_as_it_is(image):
    assert frame(image=image, resized=image).image is image


def test_it_prints_shapes_and_no_pixels():
    assert repr(frame()) == "Frame(image=uint8 4 x 6 x 3, pts=1/24, frame_idx=1, name='00001')"
    shown = repr(frame(is_corrupt=True, resized=np.zeros((8, 8, 3), np.uint8)))
    assert shown.endswith("name='00001', is_corrupt=True, resized=uint8 8 x 8 x 3)")


def test_the_check_is_cheap():
    """A thousandth of what a small frame takes to decode, however large the image is."""
    image, pts = np.zeros((1080, 1920, 3), np.uint8), Fraction(1, 24)
    fastest = min(timeit(lambda: Frame(image, pts, 1, "x"), number=200) for _ in range(5)) / 200
    assert fastest < 50e-6
