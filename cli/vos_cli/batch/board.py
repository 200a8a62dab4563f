"""The numbers of a running batch: clips done and failed, frames a second, time left."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping

from vos_cli.batch.engines.events import Event, Finished, Progressed, Started

_RATE_WINDOW_S = 60.0


class Board:
    """The numbers that every view shows. Give it every event.

    frames: about how many each clip of this run has, 0 where unknown.
    clips: how many there are to do in this run.
    done: how many of them are done, failed ones included.
    failed: how many failed, those included that failed before anything was tracked.
    working: what each worker is at.
    """

    def __init__(self, frames: Mapping[str, int], *, failed: int):
        self.clips = len(frames)
        self.done = 0
        self.failed = failed
        self.is_stopping = False
        self.working: dict[str, Progressed] = {}
        self._to_come = dict(frames)
        self._frames_to_come = sum(frames.values())
        self._tracked = 0
        self._recent: deque[tuple[float, int]] = deque()

    @property
    def left(self) -> int:
        return self.clips - self.done

    def take(self, event: Event) -> None:
        if isinstance(event, Started):
            self._free(event.name)
            self.working[event.worker] = Progressed(event.name, event.worker, 0, None)
        elif isinstance(event, Progressed):
            before = self._free(event.name)
            self.working[event.worker] = event
            known = 0 if before is None else before.frames - before.skipped
            self._count(event.frames - event.skipped - known)
        elif isinstance(event, Finished):
            result = event.result
            before = self._free(result.name)
            if result.state == "done" and not result.was_there:
                self._count(result.frames - (0 if before is None else before.frames))
            self._frames_to_come -= self._to_come.pop(result.name, 0)
            self.done += 1
            self.failed += result.state == "failed"
        else:
            self.is_stopping = True

    def rate(self) -> float | None:
        """Return frames a second over the last minute, of all workers; None before the first."""
        if len(self._recent) < 2:
            return None
        (first, frames), (last, more) = self._recent[0], self._recent[-1]
        return (more - frames) / (last - first) if last > first else None

    def remaining_s(self) -> float | None:
        """Return the seconds to go at this rate; None where unknown."""
        rate = self.rate()
        if not rate:
            return None
        left = self._frames_to_come
        for one in self.working.values():
            expected = self._to_come.get(one.name, 0)
            whole = expected if one.total is None else one.total
            left += max(whole - one.frames, 0) - expected
        return left / rate

    def _free(self, name: str) -> Progressed | None:
        """Take the clip from the worker that has it, which may have died; return how far it was."""
        held = [worker for worker, one in self.working.items() if one.name == name]
        return self.working.pop(held[0]) if held else None

    def _count(self, frames: int) -> None:
        self._tracked += max(frames, 0)
        now = time.monotonic()
        self._recent.append((now, self._tracked))
        while self._recent[0][0] < now - _RATE_WINDOW_S and len(self._recent) > 2:
            self._recent.popleft()
