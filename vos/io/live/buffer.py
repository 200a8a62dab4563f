"""What waits between the thread that receives frames and the one that tracks them."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FrameBuffer(Generic[T]):
    """A bounded queue that either drops its oldest item or makes the thread that adds one wait.

    most: items that wait at any time, at least 1.
    drops: whether a full queue drops its oldest item; else `put` waits for room.
    """

    def __init__(self, most: int, *, drops: bool) -> None:
        if most < 1:
            raise ValueError(f"{most = }: a buffer holds at least one item")
        self._most = most
        self._drops = drops
        self._items: deque[T] = deque()
        self._dropped = 0
        self._end: str | None = None
        self._is_closed = False
        self._changed = threading.Condition()

    def put(self, item: T) -> bool:
        """Add an item; return False once nobody takes any more."""
        with self._changed:
            if not self._drops:
                self._changed.wait_for(lambda: len(self._items) < self._most or self._is_closed)
            if self._is_closed:
                return False
            if len(self._items) == self._most:
                self._items.popleft()
                self._dropped += 1
            self._items.append(item)
            self._changed.notify_all()
            return True

    def end(self, why: str) -> None:
        """Say that nothing comes any more, and why; what waits is still given."""
        with self._changed:
            if self._end is None:
                self._end = why
            self._changed.notify_all()

    def take(self, timeout_s: float) -> tuple[T, int] | str | None:
        """Take the oldest item, with how many were dropped since the one before.

        Return why nothing comes any more, or None where nothing came in time.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._end is not None, timeout_s)
            if not self._items:
                return self._end
            dropped, self._dropped = self._dropped, 0
            self._changed.notify_all()
            return self._items.popleft(), dropped

    def close(self) -> None:
        """Drop what waits and take nothing more."""
        with self._changed:
            self._items.clear()
            self._is_closed = True
            self._end = self._end or "closed"
            self._changed.notify_all()
