"""What each step does to an edge, and what it leaves alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from vos.errors import UsageError
from vos.io.write.deliver.components import find_small_parts
from vos.io.write.deliver.edges import Edges, feather, shape, temporal_median

SIZE = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24)
MATTES = arrays(np.uint8, SIZE)
MASKS = arrays(np.bool_, SIZE)
HARD = MASKS.map(lambda mask: np.where(mask, 255, 0).astype(np.uint8))
SPATIAL = st.sampled_from(
    [
        Edges(despeckle=2),
        Edges(fill_holes=2),
        Edges(grow=1.5),
        Edges(grow=4),
        Edges(shrink=1),
        Edges(shrink=3),
        Edges(smooth=2.5),
    ]
)


def disc(radius: float, size: int = 80, centre: tuple[float, float] | None = None) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    cy, cx = centre or (size / 2, size / 2)
    return np.where((y - cy) ** 2 + (x - cx) ** 2 <= radius**2, 255, 0).astype(np.uint8)


def soft_disc(radius: float, size: int = 80) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    distance = radius - np.hypot(y - size / 2, x - size / 2)
    return np.rint(255 / (1 + np.exp(-4 * distance))).astype(np.uint8)


def done(matte: np.ndarray, **steps: float) -> np.ndarray:
    edges = Edges(**steps)  # pyright: ignore[reportArgumentType]
    return feather(shape(matte, edges), edges)


@given(MATTES)
def test_off_is_the_very_same(matte):
    assert shape(matte, Edges()) is matte
    assert feather(matte, Edges()) is matte
    assert temporal_median([matte]) is matte


@given(MATTES, SPATIAL, st.sampled_from([0, 3.0]))
def test_nothing_is_changed_in_place_and_empty_or_full_stays(matte, edges, px):
    before = matte.copy()
    changed = feather(shape(matte, edges), Edges(feather=px))
    assert np.array_equal(matte, before)
    assert (changed.shape, changed.dtype) == (matte.shape, np.uint8)
    for value in (0, 255):
        flat = np.full_like(matte, value)
        if value and edges.despeckle and matte.size <= 4:
            continue  # all of it is a speck
        assert np.array_equal(feather(shape(flat, edges), Edges(feather=px)), flat)


def brute_grow(matte: np.ndarray, radius: float) -> np.ndarray:
    grown = matte.copy()
    height, width = matte.shape
    for y, x in np.ndindex(height, width):
        for v, u in np.ndindex(height, width):
            if (y - v) ** 2 + (x - u) ** 2 <= radius**2:
                grown[y, x] = max(grown[y, x], matte[v, u])
    return grown


@settings(max_examples=25, deadline=None)
@given(
    arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9)),
    st.sampled_from([1, 1.5, 2, 2.9, 5, 100]),
)
def test_grow_and_shrink_take_a_disc_of_exact_distance(matte, radius):
    assert np.array_equal(done(matte, grow=radius), brute_grow(matte, radius))
    # What is outside of the frame takes nothing away.
    assert np.array_equal(done(matte, shrink=radius), 255 - brute_grow(255 - matte, radius))


def test_grown_and_shrunk_a_disc_is_the_disc():
    for radius, px in ((10, 3), (20, 7.5), (25, 10)):
        grown = done(disc(radius), grow=px)
        distance = np.hypot(*(np.mgrid[:80, :80] - 40))
        assert (grown[distance <= radius + px - 1] == 255).all()
        assert (grown[distance > radius + px] == 0).all()
        closed = done(grown, shrink=px)
        assert (closed >= disc(radius)).all()
        assert np.count_nonzero(closed != disc(radius)) <= 0.02 * np.count_nonzero(closed)
        opened = done(done(disc(radius), shrink=px), grow=px)
        assert (opened <= disc(radius)).all()
        assert np.count_nonzero(opened != disc(radius)) <= 0.03 * np.count_nonzero(closed)


@given(arrays(np.uint8, (12, 15)), arrays(np.uint8, (12, 15)), st.data())
def test_growing_shrinking_and_feathering_keep_what_is_inside_what(one, other, data):
    low, high = np.minimum(one, other), np.maximum(one, other)
    steps = data.draw(st.sampled_from([{"grow": 2.5}, {"shrink": 2}, {"feather": 3.0}]))
    assert (done(low, **steps) <= done(high, **steps)).all()
    assert (done(one, grow=1) <= done(one, grow=3)).all()
    assert (done(one, shrink=1) >= done(one, shrink=3)).all()
    assert (done(one, grow=1) >= one).all()
    assert (done(one, shrink=1) <= one).all()


def test_a_soft_edge_moves_and_stays_as_soft():
    matte = soft_disc(20)
    grown = done(matte, grow=5)
    row, moved = matte[40], grown[40]
    assert np.array_equal(moved[5:36], row[10:41])
    assert np.array_equal(done(grown, shrink=5)[40], row)


def flood(mask: np.ndarray, has_diagonals: bool) -> list[set[tuple[int, int]]]:
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    steps = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    steps += [(1, 1), (1, -1), (-1, 1), (-1, -1)] if has_diagonals else []
    parts = []
    while left:
        waiting = [left.pop()]
        part = set(waiting)
        while waiting:
            y, x = waiting.pop()
            near = {(y + dy, x + dx) for dy, dx in steps} & left
            left -= near
            part |= near
            waiting += near
        parts.append(part)
    return parts


@given(MASKS, st.integers(1, 12), st.booleans(), st.booleans())
def test_parts_are_those_of_a_flood(mask, area, has_diagonals, spares_border):
    height, width = mask.shape
    expected = np.zeros_like(mask)
    for part in flood(mask, has_diagonals):
        at_border = any(y in (0, height - 1) or x in (0, width - 1) for y, x in part)
        if len(part) <= area and not (spares_border and at_border):
            for place in part:
                expected[place] = True
    found = find_small_parts(mask, area, has_diagonals=has_diagonals, spares_border=spares_border)
    assert np.array_equal(found, expected)


@given(HARD, st.integers(1, 4))
def test_despeckling_a_mask_drops_small_parts_and_nothing_else(matte, px):
    small = find_small_parts(matte > 0, px * px, has_diagonals=True)
    assert np.array_equal(done(matte, despeckle=px), np.where(small, 0, matte))
    assert np.array_equal(done(done(matte, despeckle=px), despeckle=px), done(matte, despeckle=px))


def test_a_speck_goes_with_its_soft_edge_and_the_rest_stays():
    matte = np.maximum(soft_disc(20), np.roll(soft_disc(2.2), (-30, 30), (0, 1)))
    matte[5, 5] = 100  # faint, and belongs to nothing
    assert np.array_equal(done(matte, despeckle=5), soft_disc(20))
    kept = done(matte, despeckle=3)
    kept[5, 5] = 100
    assert np.array_equal(kept, matte)


def test_holes_are_filled_with_their_soft_edge_and_never_the_outside():
    hole = soft_disc(20) - np.minimum(soft_disc(20), soft_disc(3))
    filled = done(hole, fill_holes=6)
    assert np.array_equal(filled, soft_disc(20))
    assert np.array_equal(done(hole, fill_holes=4), hole)
    bay = disc(20)
    bay[38:42, 30:] = 0  # as wide as a hole, and open
    assert np.array_equal(done(bay, fill_holes=1000), bay)
    cut = np.full((10, 10), 255, np.uint8)
    cut[4, 0] = cut[9, 5] = cut[3, 3] = 0
    assert np.argwhere(done(cut, fill_holes=1) == 0).tolist() == [[4, 0], [9, 5]]
    ring = np.full((9, 9), 0, np.uint8)
    for y, x in ((3, 4), (4, 3), (4, 5), (5, 4)):
        ring[y, x] = 255  # joined at corners only, and closed all the same
    assert done(ring, fill_holes=1)[4, 4] == 255


@given(HARD)
def test_filling_only_adds_and_what_reaches_the_border_stays_open(matte):
    filled = done(matte, fill_holes=1000)
    assert (filled >= matte).all()
    for part in flood(filled == 0, has_diagonals=False):
        height, width = matte.shape
        assert any(y in (0, height - 1) or x in (0, width - 1) for y, x in part)


def test_smoothing_takes_off_what_is_small_and_keeps_the_contour():
    matte = disc(25)
    matte[14:16, 40:42] = 0
    matte[66:70, 40:42] = 255
    smooth = done(matte, smooth=8)
    assert ((smooth >= 128) != (disc(25) >= 128)).mean() < 0.01
    distance = 25.5 - np.hypot(*(np.mgrid[:80, :80] - 40))
    assert (smooth[distance > 4] == 255).all()
    assert (smooth[distance < -4] == 0).all()
    between = (smooth > 0) & (smooth < 255)
    assert 0 < between.sum() < 2 * np.pi * 25 * 4, "the edge is a few pixels wide, as a soft one"
    half = np.zeros((40, 60), np.uint8)
    half[:, :30] = 255
    smooth = done(half, smooth=6)
    assert (smooth == smooth[0]).all(), "an edge that leaves the frame goes on there"
    assert np.array_equal(smooth >= 128, half >= 128)


def test_feathering_reaches_as_far_as_asked_and_not_over_the_border():
    half = np.zeros((40, 200), np.uint8)
    half[:, :100] = 255
    for px in (2, 10, 40):
        soft = done(half, feather=px)
        assert (soft == soft[0]).all()
        row = soft[0].astype(int)
        assert (np.diff(row) <= 0).all()
        assert abs(row[99] + row[100] - 255) <= 1
        for at, share in ((-px, 0.977), (px, 0.023)):
            x = 99.5 + at
            value = np.interp(x, np.arange(200), row) / 255
            assert abs(value - share) < 0.02
        assert row[0] == 255
        assert (row[math.ceil(100 + 1.6 * px) + 2 :] == 0).all()


@given(st.lists(arrays(np.uint8, (3, 4)), min_size=1, max_size=9).filter(lambda x: len(x) % 2))
def test_the_median_of_frames(mattes):
    before = [one.copy() for one in mattes]
    assert np.array_equal(temporal_median(mattes), np.median(mattes, axis=0))
    assert all(map(np.array_equal, before, mattes))


def test_steps_come_in_their_order():
    """Each pair in the other order would give something else."""
    matte = disc(20)
    matte[38:42, 38:42] = 0
    matte[5:8, 5:8] = 255
    every = Edges(despeckle=4, fill_holes=5, shrink=3, smooth=4, feather=6)
    step_by_step = matte
    for one in (
        Edges(despeckle=4),
        Edges(fill_holes=5),
        Edges(shrink=3),
        Edges(smooth=4),
        Edges(feather=6),
    ):
        step_by_step = feather(shape(step_by_step, one), one)
    assert np.array_equal(feather(shape(matte, every), every), step_by_step)
    assert step_by_step[40, 40] == 255, "shrinking first would have made the hole too large"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"grow": -1}, "grow=-1: has to be from 1 to 100 pixels, or 0 for none"),
        ({"grow": 0.5}, "grow=0.5: has to be from 1 to 100 pixels"),
        ({"shrink": 101}, "shrink=101: has to be from 1 to 100 pixels"),
        ({"smooth": math.nan}, "smooth=nan: has to be above 0 and up to 100 pixels"),
        ({"feather": math.inf}, "feather=inf: has to be above 0"),
        ({"feather": -0.1}, "feather=-0.1"),
        ({"despeckle": 1001}, "despeckle=1001: has to be from 1 to 1000 pixels"),
        ({"fill_holes": -3}, "fill_holes=-3"),
        ({"temporal": 11}, "temporal=11: has to be from 1 to 10 frames"),
        ({"temporal": -1}, "temporal=-1"),
        ({"grow": 2, "shrink": 2}, "undo each other"),
    ],
)
def test_what_cannot_be_is_refused_with_the_rule(values, told):
    with pytest.raises(UsageError, match=r"correct it|give one") as caught:
        Edges(**values).check()
    assert told in str(caught.value)


def test_a_manifest_says_what_is_on_and_is_read_strictly():
    edges = Edges(grow=2.5, temporal=3)
    assert edges.as_json() == {"grow": 2.5, "temporal": 3}
    assert Edges.from_json(edges.as_json()) == edges
    assert Edges.from_json({}).is_off
    for found in ({"grown": 1}, {"grow": "much"}, {"grow": -1}, {"temporal": None}):
        with pytest.raises((TypeError, ValueError, UsageError)):
            Edges.from_json(found)
