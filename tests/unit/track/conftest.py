"""A nano-shaped model with random weights, small enough for unit tests."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from small_nano import small_nano
from vos.frame import Frame
from vos.model.sam2 import Sam2Model

SIZE_HW = (48, 64)


@pytest.fixture(scope="session")
def tiny_model() -> Sam2Model:
    return small_nano()


@pytest.fixture
def make_frames():
    def make(count: int, start: int = 0, size_hw: tuple[int, int] = SIZE_HW) -> list[Frame]:
        rng = np.random.default_rng(start)
        return [
            Frame(
                rng.integers(0, 255, (*size_hw, 3), dtype=np.uint8),
                Fraction(index, 30),
                index,
                f"{index:05d}",
            )
            for index in range(start, start + count)
        ]

    return make
