"""The colours of objects on the page stay apart, whatever eyes look at them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from vos_cli.studio.palette import NINE, colours

# Machado, Oliveira and Fernandes (2009), severity 1; rows give linear R, G and B.
EYES = {
    "normal": np.eye(3),
    "protanopic": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopic": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopic": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_LMS = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
TO_OKLAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]


def oklab(colour: str, eyes: str) -> np.ndarray:
    """Return lightness and the two opponent axes as these eyes see them."""
    values = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(EYES[eyes]) @ linear, 0, 1)
    return np.array(TO_OKLAB) @ np.cbrt(np.array(TO_LMS) @ seen)


@pytest.mark.parametrize("eyes", EYES)
def test_the_first_nine_are_well_apart(eyes: str):
    places = {colour: oklab(colour, eyes) for colour in NINE}
    pairs = {(a, b): np.linalg.norm(places[a] - places[b]) for a, b in combinations(NINE, 2)}
    least = 0.11 if eyes == "tritanopic" else 0.15
    close = {pair: away for pair, away in pairs.items() if away < least}
    assert not close


def test_every_object_has_a_colour_that_is_seen_on_a_dark_page():
    every = colours()
    assert len(every) == 256
    assert all(len(one) == 7 and one.startswith("#") for one in every)
    assert every[1:10] == list(NINE)
    assert all(oklab(one, "normal")[0] > 0.3 for one in every[1:])
