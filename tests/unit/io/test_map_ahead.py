"""Work ahead in threads: in order, bounded, errors in their place."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vos.io.queues import map_ahead

WAIT_S = 30


@given(st.integers(0, 20), st.integers(1, 6))
def test_everything_in_order_and_no_more_than_asked_is_read(count: int, most: int):
    read: list[int] = []

    def items() -> Iterator[int]:
        for item in range(count):
            read.append(item)
            yield item

    for index, result in enumerate(map_ahead(lambda x: x * x, items(), most)):
        assert result == index * index
        assert len(read) <= index + most
    assert len(read) == count


def test_items_are_worked_on_at_the_same_time():
    together = threading.Barrier(3)
    work = map_ahead(lambda item: (together.wait(WAIT_S) and None) or item, range(3), 3)
    assert list(work) == [0, 1, 2]


def test_an_error_of_the_items_comes_after_the_results_before_it():
    def items() -> Iterator[int]:
        yield from range(3)
        raise OSError("gone")

    work, seen = map_ahead(str, items(), 2), []
    with pytest.raises(OSError, match="gone"):
        seen.extend(work)
    assert seen == ["0", "1", "2"]


def test_an_error_of_the_work_comes_in_its_place():
    work, seen = map_ahead(lambda item: 6 // (2 - item), range(5), 4), []
    with pytest.raises(ZeroDivisionError):
        seen.extend(work)
    assert seen == [3, 6]


def test_closed_early_its_threads_end():
    before = set(threading.enumerate())
    work = map_ahead(str, range(100), 3)
    assert next(work) == "0"
    work.close()
    assert set(threading.enumerate()) <= before
