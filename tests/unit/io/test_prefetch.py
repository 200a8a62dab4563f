from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from vos.io.queues import Prefetch, prefetch

# Generous, so that a slow machine does not fail; a hang takes for ever.
SOON_S = 5.0


class Ticker:
    """A source that records how far it got, and in which thread it ran and was closed."""

    def __init__(self, count: int, fail_at: int | None = None) -> None:
        self.count, self.fail_at = count, fail_at
        self.made = 0
        self.threads: set[int] = set()
        self.closed_in: int | None = None

    def items(self) -> Iterator[int]:
        try:
            for number in range(self.count):
                if number == self.fail_at:
                    raise ValueError("broken picture")
                self.threads.add(threading.get_ident())
                self.made += 1
                yield number
        finally:
            self.closed_in = threading.get_ident()


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    names = [thread.name for thread in threading.enumerate() if thread not in before]
    assert "vos-prefetch" not in names


def in_time(ahead: Prefetch[int]) -> None:
    started = time.monotonic()
    ahead.close()
    assert time.monotonic() - started < SOON_S


def wait_until_made(ticker: Ticker, count: int) -> None:
    deadline = time.monotonic() + SOON_S
    while ticker.made < count and time.monotonic() < deadline:
        time.sleep(0.001)


@pytest.mark.parametrize("depth", [1, 2, 7, 500])
def test_everything_in_order(depth: int) -> None:
    with prefetch(iter(range(200)), depth) as ahead:
        assert list(ahead) == list(range(200))
        assert list(ahead) == []


def test_an_empty_source() -> None:
    with prefetch(iter(()), 2) as ahead:
        assert list(ahead) == []


def test_reads_ahead_but_no_further_than_the_queue() -> None:
    ticker = Ticker(100)
    with prefetch(ticker.items(), 3) as ahead:
        next(ahead)
        wait_until_made(ticker, 5)
        time.sleep(0.05)
        assert ticker.made == 5  # one taken, three waiting, one in hand


def test_an_error_arrives_after_the_items_before_it() -> None:
    with prefetch(Ticker(10, fail_at=4).items(), 2) as ahead:
        assert [next(ahead) for _ in range(4)] == [0, 1, 2, 3]
        with pytest.raises(ValueError, match="broken picture") as caught:
            next(ahead)
    assert any("items" in entry.name for entry in caught.traceback)


def test_an_error_is_raised_once() -> None:
    with prefetch(Ticker(1, fail_at=0).items(), 2) as ahead:
        with pytest.raises(ValueError, match="broken"):
            next(ahead)
        assert list(ahead) == []


def test_closing_while_the_producer_waits_for_room() -> None:
    ticker = Ticker(10**9)
    ahead = prefetch(ticker.items(), 2)
    next(ahead)
    wait_until_made(ticker, 4)
    in_time(ahead)
    assert ticker.closed_in is not None
    with pytest.raises(StopIteration):
        next(ahead)


def test_closing_at_once() -> None:
    for _ in range(50):
        ticker = Ticker(10**9)
        with prefetch(ticker.items(), 1):
            pass
        assert ticker.made <= 2


def test_closing_twice_and_before_the_first_item() -> None:
    ticker = Ticker(5)
    ahead = prefetch(ticker.items(), 1)
    in_time(ahead)
    in_time(ahead)
    assert list(ahead) == []
    assert ticker.made == 0


def test_a_failing_consumer_ends_the_producer() -> None:
    ticker = Ticker(10**9)

    def consume() -> None:
        with prefetch(ticker.items(), 2) as ahead:
            for _ in ahead:
                raise RuntimeError("the model failed")

    with pytest.raises(RuntimeError, match="the model failed"):
        consume()
    assert ticker.closed_in is not None


def test_the_source_is_run_and_closed_in_the_one_thread() -> None:
    for count, taken in ((5, 5), (10**9, 3)):
        ticker = Ticker(count)
        with prefetch(ticker.items(), 2) as ahead:
            for _ in range(taken):
                next(ahead)
        assert ticker.threads == {ticker.closed_in}
        assert ticker.closed_in != threading.get_ident()


def test_an_error_while_closing_reaches_a_consumer_that_reads_on() -> None:
    def fragile() -> Iterator[int]:
        try:
            yield 1
        finally:
            raise OSError("cannot close")

    with prefetch(fragile(), 2) as ahead:
        assert next(ahead) == 1
        with pytest.raises(OSError, match="cannot close"):
            next(ahead)


def test_a_consumer_closed_from_another_thread_stops() -> None:
    release = threading.Event()

    def stuck() -> Iterator[int]:
        yield 1
        release.wait(SOON_S)

    ahead = prefetch(stuck(), 1)
    assert next(ahead) == 1
    closer = threading.Thread(target=ahead.close)
    closer.start()
    assert list(ahead) == []
    release.set()
    closer.join(SOON_S)
    assert not closer.is_alive()


@pytest.mark.parametrize("depth", [0, -1])
def test_a_queue_holds_something(depth: int) -> None:
    with pytest.raises(ValueError, match=rf"depth = {depth}"):
        prefetch(iter(()), depth)
