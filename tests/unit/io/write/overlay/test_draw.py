"""What the overlay does to pixels."""

from __future__ import annotations

import numpy as np
import pytest

from vos.io.write.overlay.draw import draw_overlay

RNG = np.random.default_rng(0)


def test_only_the_object_and_a_thin_line_around_it_change():
    image = RNG.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    before = image.copy()
    labels = np.zeros((60, 80), dtype=np.uint8)
    labels[20:40, 30:50] = 1
    drawn = draw_overlay(image, labels)
    assert np.array_equal(image, before)
    changed = (drawn != image).any(axis=2)
    assert changed[20:40, 30:50].all()
    changed[18:42, 28:52] = False
    assert not changed.any()


def test_the_fill_keeps_half_of_the_picture_and_the_line_none():
    grey = np.full((60, 80, 3), 100, dtype=np.uint8)
    labels = np.zeros((60, 80), dtype=np.uint8)
    labels[20:40, 30:50] = 2
    on_grey, on_white = draw_overlay(grey, labels), draw_overlay(grey + 155, labels)
    red, green, blue = on_grey[30, 40].tolist()
    assert green > red == blue == 50
    assert (on_white[30, 40].astype(int) - on_grey[30, 40]).tolist() == [77 + 1] * 3
    assert np.array_equal(on_white[19, 40], on_grey[19, 40])
    assert np.array_equal(on_white[30, 50], on_grey[30, 50])
    assert not np.array_equal(on_white[18, 40], on_grey[18, 40])


@pytest.mark.parametrize("where", [np.s_[:, :], np.s_[:1, :1], np.s_[-1:, -1:], np.s_[0:0]])
def test_objects_at_the_border_or_nowhere(where):
    image = RNG.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    labels = np.zeros((7, 9), dtype=np.uint8)
    labels[where] = 255
    drawn = draw_overlay(image, labels)
    assert drawn.shape == image.shape
    inside = labels != 0
    assert np.array_equal(drawn[~inside], image[~inside]) or inside.any()
    whole = draw_overlay(
        np.pad(image, ((20, 20), (20, 20), (0, 0))), np.pad(labels, ((20, 20), (20, 20)))
    )
    assert np.array_equal(whole[20:27, 20:29], drawn)


def test_objects_are_told_apart_and_the_line_grows_with_the_frame():
    image = np.zeros((1080, 200, 3), dtype=np.uint8)
    labels = np.zeros((1080, 200), dtype=np.uint8)
    labels[100:200, 20:60], labels[100:200, 60:100] = 1, 5
    drawn = draw_overlay(image, labels)
    assert drawn[150, 30].tolist() != drawn[150, 80].tolist()
    small = (drawn[150, 100:110] != 0).any(axis=1).sum()
    wide = np.zeros((1080, 1920, 3), dtype=np.uint8)
    padded = np.pad(labels, ((0, 0), (0, 1720)))
    large = (draw_overlay(wide, padded)[150, 100:110] != 0).any(axis=1).sum()
    assert (small, large) == (2, 3)


def test_sizes_must_agree():
    with pytest.raises(ValueError, match="differ"):
        draw_overlay(np.zeros((4, 5, 3), np.uint8), np.zeros((5, 4), np.uint8))
