from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from vos.io.queues import WriteBehind

SOON_S = 5.0


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    yield
    assert not [t.name for t in threading.enumerate() if t.name.startswith("vos-write")]


@pytest.mark.parametrize("depth", [1, 3, 500])
def test_everything_in_order_in_one_other_thread(depth: int) -> None:
    written: list[int] = []
    threads: set[int] = set()

    def write(item: int) -> None:
        threads.add(threading.get_ident())
        written.append(item)

    with WriteBehind(write, depth) as behind:
        for item in range(200):
            behind.put(item)
    assert written == list(range(200))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_at_most_depth_items_wait() -> None:
    gate, put = threading.Event(), []

    def fill(behind: WriteBehind[int]) -> None:
        for item in range(5):
            behind.put(item)
            put.append(item)

    with WriteBehind(lambda _: gate.wait(SOON_S) and None, 2) as behind:
        filler = threading.Thread(target=fill, args=(behind,))
        filler.start()
        filler.join(0.2)
        assert put == [0, 1]
        gate.set()
        filler.join(SOON_S)
    assert put == list(range(5))


def test_after_drain_everything_is_written() -> None:
    written: list[int] = []
    with WriteBehind(written.append, 8) as behind:
        for item in range(6):
            behind.put(item)
        behind.drain()
        assert written == list(range(6))


def failing(written: list[int]):
    def write(item: int) -> None:
        if item == 2:
            raise OSError("the disk is full")
        written.append(item)

    return write


def write_some(written: list[int], depth: int, count: int, *, drain: bool) -> None:
    with WriteBehind(failing(written), depth) as behind:
        for item in range(count):
            behind.put(item)
        if drain:
            behind.drain()


@pytest.mark.parametrize(
    ("depth", "count", "drain"), [(2, 100, False), (9, 3, True), (9, 3, False)]
)
def test_an_error_comes_out_and_nothing_is_written_after_it(
    depth: int, count: int, drain: bool
) -> None:
    """From the next put, from drain, from leaving."""
    written: list[int] = []
    with pytest.raises(OSError, match="disk is full"):
        write_some(written, depth, count, drain=drain)
    assert written == [0, 1]


def interrupted(written: list[int]) -> None:
    gate, begun = threading.Event(), threading.Event()

    def write(item: int) -> None:
        begun.set()
        gate.wait(SOON_S)
        written.append(item)

    with WriteBehind(write, 9) as behind:
        for item in range(5):
            behind.put(item)
        assert begun.wait(SOON_S)
        threading.Timer(0.1, gate.set).start()
        raise KeyboardInterrupt


def test_leaving_with_an_error_drops_what_waits() -> None:
    written: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(written)
    assert written == [0]
