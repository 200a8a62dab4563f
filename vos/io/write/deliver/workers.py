"""Threads that share the work of an export, so that every core encodes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from vos.io.closing import Closing

_WAITING_PER_THREAD = 2


class Workers(Closing):
    """A few threads that take jobs in any order. A context manager.

    No more jobs wait than keep the threads busy. What a job raises comes out of a later `submit`,
    of `wait` or of leaving; leaving on an error drops the jobs that have not begun.
    """

    def __init__(self, most: int | None = None) -> None:
        """most: the most threads that can be of use; None for one per core."""
        cores = os.cpu_count() or 1
        threads = cores if most is None else max(1, min(cores, most))
        self._most_waiting = threads * _WAITING_PER_THREAD
        self._waiting: deque[Future[None]] = deque()
        self._pool = ThreadPoolExecutor(threads, "vos-export")

    def submit(self, job: Callable[[], None]) -> None:
        """Hand a job over; waits for room."""
        while len(self._waiting) >= self._most_waiting:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(job))

    def wait(self) -> None:
        """Wait until every job is done."""
        while self._waiting:
            self._waiting.popleft().result()

    def _finish(self) -> None:
        try:
            self.wait()
        finally:
            self._abandon()

    def _abandon(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
