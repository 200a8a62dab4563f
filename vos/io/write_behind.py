"""Writing in a thread, at most `depth` items behind, so that encoding overlaps with the model."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class WriteBehind(Generic[T]):
    """Calls `write` with every item, in order, in one thread of its own. A context manager: left
    without an error it writes what waits, otherwise it drops that.

    After a `write` that raised nothing more is written; the error comes out of the next `put`, of
    `drain` or of leaving.
    """

    def __init__(self, write: Callable[[T], None], depth: int) -> None:
        """depth: most items waiting or being written, >= 1."""
        if depth < 1:
            raise ValueError(f"{depth = }: a queue of writes holds at least one item")
        self._write = write
        self._depth = depth
        self._waiting: deque[Future[None]] = deque()
        self._has_failed = False
        self._pool = ThreadPoolExecutor(1, "vos-write")

    def put(self, item: T) -> None:
        """Hand an item over; waits for room. Raises what `write` raised on an earlier one."""
        while self._waiting and (self._waiting[0].done() or len(self._waiting) >= self._depth):
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(self._do, item))

    def drain(self) -> None:
        """Wait until everything is written. Raises what `write` raised."""
        while self._waiting:
            self._waiting.popleft().result()

    def _do(self, item: T) -> None:
        if self._has_failed:
            return
        try:
            self._write(item)
        except BaseException:
            self._has_failed = True
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.drain()
        finally:
            self._pool.shutdown(cancel_futures=True)
