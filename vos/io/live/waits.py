"""When to try again to reach a source that was lost."""

from __future__ import annotations

import time
from collections.abc import Callable

_FIRST_S = 0.5
_LONGEST_S = 15.0


class Waits:
    """A schedule of tries: each wait is twice the one before, up to 15 s, until the time is over.

    limit_s: seconds from now on after which no try begins; the last one begins right then.
    clock: gives seconds that only ever grow.
    tries: how many waits were given.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends = clock() + limit_s
        self._next_s = _FIRST_S
        self._is_over = limit_s <= 0
        self.tries = 0

    def next_s(self) -> float | None:
        """Return how many seconds to wait before the next try; None where there is none."""
        left = self._ends - self._clock()
        if self._is_over:
            return None
        wait = min(self._next_s, max(left, 0.0))
        self._is_over = wait >= left
        self._next_s = min(2 * self._next_s, _LONGEST_S)
        self.tries += 1
        return wait
