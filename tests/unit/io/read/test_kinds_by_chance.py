"""Kinds of footage that were once read wrong, over inputs nobody chose."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vos.io.read.decode import Clock
from vos.io.read.open import open_source
from vos.io.read.orientation import DisplayMatrix, Orientation

QUARTERS = st.sampled_from([0, 90, 180, 270])


@given(QUARTERS, st.booleans(), st.floats(-180, 180), st.floats(0.01, 100))
def test_a_matrix_is_the_nearest_quarter_or_nothing(
    quarter: int, is_mirrored: bool, off_deg: float, scale: float
) -> None:
    """Whatever turns by about a quarter, mirrored or not, of any scale."""
    angle = math.radians(quarter + off_deg)  # counter-clockwise; y points down
    right = (math.cos(angle), -math.sin(angle))
    down = (math.sin(angle), math.cos(angle))
    if is_mirrored:
        right, down = (-right[0], right[1]), (-down[0], down[1])
    matrix = DisplayMatrix(*(
        (round(65_536 * scale * x), round(65_536 * scale * y)) for x, y in (right, down)
    ))  # fmt: skip
    nearest = round((quarter + off_deg) / 90) * 90
    distance = abs(quarter + off_deg - nearest)
    if distance < 4.9:
        assert matrix.orientation() == Orientation(nearest % 360, is_mirrored)
    elif distance > 5.1:
        assert matrix.orientation() is None


@given(QUARTERS, st.booleans(), st.integers(1, 5), st.integers(1, 5))
def test_an_orientation_moves_pixels_and_loses_none(quarter, is_mirrored, height, width) -> None:
    image = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    shown = Orientation(quarter, is_mirrored).apply(image)
    assert shown.shape[:2] == ((width, height) if quarter % 180 else (height, width))
    assert sorted(shown.ravel().tolist()) == sorted(image.ravel().tolist())
    back = shown[:, ::-1] if is_mirrored else shown
    assert np.array_equal(np.rot90(back, -quarter // 90), image)


@given(st.lists(st.integers(4, 40), min_size=1, max_size=6), st.integers(1, 4000), st.data())
def test_joined_recordings_follow_one_another(lengths, ticks_per_frame: int, data) -> None:
    """Each keeps its own spacing, whatever its first time is and however short it is."""
    tick = Fraction(1, 90_000)
    stream = SimpleNamespace(
        time_base=tick,
        average_rate=1 / (ticks_per_frame * tick),
        guessed_rate=None,
        start_time=0,
    )
    clock, times, begin = Clock(stream), [], 0  # pyright: ignore[reportArgumentType]
    for length in lengths:
        times.append([clock.stamp(begin + n * ticks_per_frame) for n in range(length)])
        # The next one begins by at least three frames before the end of this one.
        begin = data.draw(st.integers(0, max(0, begin + (length - 4) * ticks_per_frame)))
    flat = [time for part in times for time in part]
    assert all(one < other for one, other in pairwise(flat))
    for part in times:
        assert all(b - a == ticks_per_frame * tick for a, b in pairwise(part))


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(["tif", "png", "webp"]), st.integers(1, 9), st.booleans())
def test_every_page_is_a_frame_whatever_their_number(tmp_path_factory, kind, count, grey) -> None:
    path: Path = tmp_path_factory.mktemp("pages") / f"a.{kind}"
    levels = [20 * number for number in range(count)]
    pages = [Image.new("L" if grey else "RGB", (8, 6), (n if grey else (n, n, n))) for n in levels]
    options = {} if kind == "tif" else {"lossless": True, "duration": 40}
    pages[0].save(path, save_all=True, append_images=pages[1:], **options)
    with open_source(path) as source:
        assert source.info.frame_count == count
        found = [int(frame.image[0, 0, 0]) for frame in source.frames()]
        assert found == levels
        assert [int(frame.image[0, 0, 0]) for frame in source.frames_reversed(count - 1)] == (
            levels[::-1]
        )
