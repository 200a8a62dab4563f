"""A segment encoded again is the same, whatever lies in the memory that x264 gets."""

from fractions import Fraction

import numpy as np
import pytest

from vos.io.write.overlay.encode import SegmentEncoder, VideoForm, draw_yuv

FRAMES = 20


def pictures(height: int, width: int) -> list[np.ndarray]:
    """Coarse noise that moves, with a square that moves otherwise."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 255, (height // 8 + 9, width // 8 + 9, 3), dtype=np.uint8)
    noise = np.kron(coarse, np.ones((8, 8, 1), np.uint8))
    found = []
    for i in range(FRAMES):
        picture = noise[i : i + height, 2 * i : 2 * i + width].copy()
        picture[20:40, 20 + i : 40 + i] = 200
        found.append(picture)
    return found


def encoded(images: list[np.ndarray]) -> bytes:
    form = VideoForm(images[0].shape[:2], Fraction(1, 25), Fraction(25))
    encoder = SegmentEncoder(form, ())
    labels = np.zeros(images[0].shape[:2], np.uint8)
    frames = [draw_yuv(image, labels) for image in images]
    packets = [packet for i, frame in enumerate(frames) for packet in encoder.encode(frame, i)]
    return b"".join(packet.data for packet in [*packets, *encoder.flush()])


@pytest.mark.parametrize("size_hw", [(180, 320), (96, 96)])
def test_the_same_pictures_give_the_same_bytes(size_hw):
    images = pictures(*size_hw)
    rng = np.random.default_rng(0)
    results, dirt = set(), []
    for _ in range(8):
        dirt = [*dirt[-4:], rng.integers(0, 255, int(rng.integers(1_000, 300_000)), np.uint8)]
        results.add(encoded(images))
    assert len(results) == 1
