"""Queues are bounded by bytes as well as by count."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from vos.frame import Frame, FrameResult
from vos.io import queues
from vos.io.queues import WriteBehind, count_bytes, map_ahead, one_ahead, prefetch

SOON_S = 5.0


class Maker:
    """Makes frames of a number of bytes and counts how many are alive."""

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size, self.made = count, size, 0

    def frames(self) -> Iterator[np.ndarray]:
        for _ in range(self.count):
            self.made += 1
            yield np.zeros(self.size, np.uint8)


def settle(maker: Maker) -> int:
    """Wait until nothing more is made."""
    before = -1
    deadline = time.monotonic() + SOON_S
    while maker.made != before and time.monotonic() < deadline:
        before = maker.made
        time.sleep(0.03)
    return maker.made


def test_the_bytes_of_frames_results_and_tuples_are_counted() -> None:
    image, labels = np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), np.uint8)
    frame = Frame(image, Fraction(0), 0, "0")
    result = FrameResult(0, Fraction(0), "0", labels, {})
    assert count_bytes((frame, result, None)) == 60 + 20
    assert count_bytes(Frame(image, Fraction(0), 0, "0", resized=image)) == 120
    assert count_bytes("a text") == 0


@pytest.mark.parametrize(
    ("size", "most_made"),
    [(1, 5), (25, 5), (40, 3), (60, 2), (100, 2), (101, 1)],  # one more is in the making
)
def test_less_is_read_ahead_of_large_frames(size, most_made, monkeypatch) -> None:
    monkeypatch.setattr(queues, "MOST_BYTES", 100)
    maker = Maker(12, size)
    with prefetch(maker.frames()) as ahead:
        assert settle(maker) == most_made
        assert len(list(ahead)) == 12


def test_a_frame_that_is_too_large_is_made_when_it_is_asked_for(monkeypatch) -> None:
    monkeypatch.setattr(queues, "MOST_BYTES", 100)
    maker = Maker(6, 101)
    with prefetch(maker.frames()) as ahead:
        for taken in range(1, 4):
            next(ahead)
            assert settle(maker) == max(taken, 1)
    assert settle(maker) == 3


@pytest.mark.parametrize(("size", "most"), [(1, 3), (40, 3), (60, 2), (101, 1)])
def test_few_large_ones_are_worked_on_at_once(size, most, monkeypatch) -> None:
    monkeypatch.setattr(queues, "MOST_BYTES", 100)
    maker = Maker(9, size)
    done = map_ahead(len, maker.frames(), 3)
    assert next(done) == size
    assert maker.made == most
    assert list(done) == [size] * 8


@pytest.mark.parametrize(("size", "most"), [(1, 3), (40, 2), (60, 1), (101, 1)])
def test_few_large_ones_wait_to_be_written(size, most, monkeypatch) -> None:
    monkeypatch.setattr(queues, "MOST_BYTES", 100)
    gate, put = threading.Event(), []
    written: list[int] = []

    def write(item: np.ndarray) -> None:
        gate.wait(SOON_S)
        written.append(len(item))

    def fill() -> None:
        with WriteBehind(write, 3) as behind:
            for _ in range(6):
                put.append(1)
                behind.put(np.zeros(size, np.uint8))

    filler = threading.Thread(target=fill)
    filler.start()
    time.sleep(0.1)
    assert len(put) == most + (size <= 100)  # the last one waits for room
    gate.set()
    filler.join(SOON_S)
    assert written == [size] * 6


def test_an_item_is_given_when_the_next_has_begun_unless_it_is_large():
    made: list[int] = []

    def items(size: int):
        for index in range(4):
            made.append(index)
            yield np.zeros(size, np.uint8)
        raise ValueError("the end")

    for size, ahead in ((1, 1), (queues.MOST_BYTES + 1, 0)):
        made.clear()
        stream = one_ahead(items(size))
        for found in range(4):
            next(stream)
            assert made[-1] == min(found + ahead, 3)
        with pytest.raises(ValueError, match="the end"):
            next(stream)
