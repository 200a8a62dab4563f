"""Four bounded queues that let work overlap; order is kept and none grows without end.

* `Prefetch` (made with `prefetch`): one thread runs ahead of the consumer. For an iterator that
  must be advanced by one thread, as a decoder must.
* `map_ahead`: several threads apply a function to the next few items. For work on each item that
  does not depend on the others, such as resizing.
* `one_ahead`: no thread; the next item is begun before one is given. For work that a device goes on
  with by itself, as a GPU does.
* `WriteBehind`: one thread runs behind the producer. For writing, which must keep its order.

In all four an error in the making of an item is raised in the caller, in its place among the items.

Each is bounded by a count of items and by `MOST_BYTES`: fewer of large frames are held at once. An
item that is larger by itself goes through alone, and the next one is made once it is asked for.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Self, TypeVar

from vos.io.closing import Closing

T = TypeVar("T")
R = TypeVar("R")

DEPTH = 4
"""Frames of a video to read ahead: the decoder never waits long, and few wait in memory."""

MOST_BYTES = 128 * 2**20
"""What waits in one queue: four frames of 4K, one of 8K."""

_JOIN_TIMEOUT_S = 1.0


def count_bytes(item: object) -> int:
    """Return the bytes of arrays that an item holds: of an array, a frame, a result or a tuple."""
    if isinstance(item, tuple):
        return sum(map(count_bytes, item))
    return getattr(item, "nbytes", 0)


class Prefetch(Closing, Generic[T]):
    """An iterator over `source` whose items are produced by one background thread.

    The thread owns `source`: it alone advances it and, when done or closed, closes it. An error in
    `source` re-raises in the consumer after the items that came before it.

    Items that hold arrays wait in `MOST_BYTES` of memory at most.

    Closing drops what waits, stops the thread and lets it close the source. That returns after 1 s
    even if the source hangs inside one item; the thread is a daemon.
    """

    def __init__(self, source: Iterator[T], depth: int) -> None:
        """depth: most items waiting at any time, >= 1. One more may be in the making."""
        if depth < 1:
            raise ValueError(f"{depth = }: a prefetch queue holds at least one item")
        self._source = source
        self._depth = depth
        self._items: deque[T] = deque()
        self._waiting_bytes = 0
        self._is_wanted = False
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._is_done = False
        self._thread: threading.Thread | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        self._start()
        with self._changed:
            self._is_wanted = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._items or self._is_done or not self._is_open)
            if self._items:
                item = self._items.popleft()
                self._waiting_bytes -= count_bytes(item)
                self._is_wanted = False
                self._changed.notify_all()
                return item
            error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback holds this call's variables, itself included
        raise StopIteration

    def __enter__(self) -> Self:
        self._start()
        return self

    def _finish(self) -> None:
        with self._changed:
            self._items.clear()
            self._changed.notify_all()
        if self._thread is None:
            _close(self._source)
        elif self._thread is not threading.current_thread():
            self._thread.join(_JOIN_TIMEOUT_S)

    def _start(self) -> None:
        if self._thread is None and self._is_open:
            self._thread = threading.Thread(target=self._produce, name="vos-prefetch", daemon=True)
            self._thread.start()

    def _produce(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._source:
                size = count_bytes(item)
                if not self._put(item, size):
                    break
                del item  # not held while the next one is made
                if size > MOST_BYTES and not self._wait_until_wanted():
                    break
        except BaseException as raised:
            error = raised
        try:
            _close(self._source)
        except BaseException as raised:
            error = error or raised
        with self._changed:
            self._error = error
            self._is_done = True
            self._changed.notify_all()

    def _put(self, item: T, size: int) -> bool:
        """Wait for room and add the item; return False once the consumer has closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_room(size) or not self._is_open)
            if not self._is_open:
                return False
            self._items.append(item)
            self._waiting_bytes += size
            self._changed.notify_all()
            return True

    def _has_room(self, size: int) -> bool:
        if not self._items:
            return True
        return len(self._items) < self._depth and self._waiting_bytes + size <= MOST_BYTES

    def _wait_until_wanted(self) -> bool:
        """Wait until the consumer has taken all and asks for more; False once it has closed."""
        with self._changed:
            self._changed.wait_for(
                lambda: (self._is_wanted and not self._items) or not self._is_open
            )
            return self._is_open


def prefetch(iterator: Iterator[T], depth: int = DEPTH) -> Prefetch[T]:
    """Read `iterator` ahead by at most `depth` items. Use as a context manager and iterate.

    with prefetch(source.frames()) as frames:
        for frame in frames: ...

    Raises ValueError for a depth below 1; iterating raises whatever `iterator` raises.
    """
    return Prefetch(iterator, depth)


def map_ahead(work: Callable[[T], R], items: Iterable[T], most: int) -> Generator[R, None, None]:
    """Yield `work` of every item, in order, with up to `most` items worked on at once.

    Those are the item that is asked for and the ones after it, fewer where they hold more than
    `MOST_BYTES`. Close the generator to end its threads. An error of `items` is raised after the
    results that come before it.
    """
    waiting: deque[Future[R]] = deque()
    sizes: deque[int] = deque()
    source = iter(items)
    error: Exception | None = None
    has_ended = False
    with ThreadPoolExecutor(most, thread_name_prefix="vos-ahead") as pool:
        while waiting or not has_ended:
            while not has_ended and len(waiting) < (most if sum(sizes) <= MOST_BYTES else 1):
                try:
                    item = next(source)
                    sizes.append(count_bytes(item))
                    waiting.append(pool.submit(work, item))
                    del item
                except StopIteration:
                    has_ended = True
                except Exception as raised:
                    error, has_ended = raised, True
            if waiting:
                sizes.popleft()
                yield waiting.popleft().result()
    if error is not None:
        raise error


def one_ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield each item when the next one has begun, so that a device is never without work.

    Items that hold more than `MOST_BYTES` are not kept waiting. An error in the making of an item
    is raised after those before it.
    """
    waiting: deque[T] = deque()
    error: Exception | None = None
    source = iter(items)
    while error is None:
        try:
            waiting.append(next(source))
        except StopIteration:
            break
        except Exception as raised:
            error = raised
            break
        while len(waiting) > (count_bytes(waiting[-1]) <= MOST_BYTES):
            yield waiting.popleft()
            if not waiting:
                break
    while waiting:
        yield waiting.popleft()
    if error is not None:
        raise error


class WriteBehind(Closing, Generic[T]):
    """Calls `write` with every item, in order, in one thread of its own.

    Left without an error it writes what waits, otherwise it drops that. After a `write` that raised
    nothing more is written; the error comes out of the next `put`, of `drain` or of leaving.
    """

    def __init__(self, write: Callable[[T], None], depth: int) -> None:
        """depth: most items waiting or being written, >= 1; `MOST_BYTES` of them, or one."""
        if depth < 1:
            raise ValueError(f"{depth = }: a queue of writes holds at least one item")
        self._write = write
        self._depth = depth
        self._waiting: deque[Future[None]] = deque()
        self._sizes: deque[int] = deque()
        self._has_failed = False
        self._pool = ThreadPoolExecutor(1, "vos-write")

    def put(self, item: T) -> None:
        """Hand an item over; waits for room. Raises what `write` raised on an earlier one."""
        size = count_bytes(item)
        while self._waiting and (self._waiting[0].done() or not self._has_room(size)):
            self._wait_for_first()
        self._sizes.append(size)
        self._waiting.append(self._pool.submit(self._write_unless_failed, item))
        if size > MOST_BYTES:
            del item
            self.drain()  # before another is made

    def drain(self) -> None:
        """Wait until everything is written. Raises what `write` raised."""
        while self._waiting:
            self._wait_for_first()

    def _wait_for_first(self) -> None:
        self._sizes.popleft()
        self._waiting.popleft().result()

    def _has_room(self, size: int) -> bool:
        return len(self._waiting) < self._depth and sum(self._sizes) + size <= MOST_BYTES

    def _write_unless_failed(self, item: T) -> None:
        if self._has_failed:
            return
        try:
            self._write(item)
        except BaseException:
            self._has_failed = True
            raise

    def _finish(self) -> None:
        try:
            self.drain()
        finally:
            self._abandon()

    def _abandon(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _close(source: Iterator[object]) -> None:
    if isinstance(source, Generator):
        source.close()
