"""Progress on stderr: a Rich bar on a terminal, else a line every ten seconds, or JSON lines."""

from __future__ import annotations

import json
import os
import sys
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Protocol, Self, TextIO

from vos.settings import Progress as Mode

PLAIN_PERIOD_S = 10.0
JSON_PERIOD_S = 1.0


class Progress(Protocol):
    """A context manager that counts every finished frame.

    done: how many frames are done so far.
    """

    done: int

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def advance(self) -> None:
        """Count one more frame."""
        ...

    def skip(self, frames: int) -> None:
        """Count frames that an earlier run did; they do not count for the speed."""
        ...


def open_progress(mode: Mode, total: int | None) -> Counter:
    """Open the progress report of that form.

    mode: "auto" is a Rich bar on a terminal and plain lines elsewhere.
    total: frames to come, None when unknown; it may be an estimate.
    """
    stream = sys.stderr
    mode = form_on(stream, mode)
    if mode == "rich":
        return _Bar(total, stream)
    if mode == "plain":
        return _Lines(total, stream, PLAIN_PERIOD_S)
    if mode == "json":
        return _JsonLines(total, stream, JSON_PERIOD_S)
    return Counter(total)


def form_on(stream: TextIO, mode: Mode) -> Mode:
    """Return `mode`, with "auto" settled by whether the stream is a terminal that can draw."""
    if mode != "auto":
        return mode
    is_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
    return "rich" if is_terminal else "plain"


def memory_mb() -> int | None:
    """Return the memory this process holds in MB (10^6 bytes): the GPU's if used, else RSS.

    None where the system does not say, as Windows does not to Python's own modules.
    """
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        return round(torch.cuda.memory_allocated() / 1e6)
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            pages = int(file.read().split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
    except OSError:
        try:
            import resource
        except ImportError:
            return None
        unit = 1 if sys.platform == "darwin" else 1024
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)


def _memory_text() -> str:
    memory = memory_mb()
    return "" if memory is None else f"{memory} MB"


def _dropped_text(progress: Counter) -> str:
    return f"{progress.dropped} dropped" if progress.dropped else ""


class Counter:
    """A counter that prints nothing; the other forms build on it.

    total: as in `open_progress`.
    done: how many frames are done so far.
    dropped: how many frames of a live source were not; None where there are none such.
    """

    def __init__(self, total: int | None):
        self.total = total
        self.done = 0
        self.dropped: int | None = None
        self._skipped = 0
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def advance(self) -> None:
        self.done += 1

    def skip(self, frames: int) -> None:
        self.done += frames
        self._skipped += frames

    def rate(self) -> float:
        """Return frames per second since the start."""
        elapsed = time.monotonic() - self._started
        return (self.done - self._skipped) / elapsed if elapsed > 0 else 0.0

    def remaining_s(self) -> float | None:
        """Return the seconds to go at this rate; None where unknown."""
        rate = self.rate()
        if self.total is None or rate == 0:
            return None
        return max(self.total - self.done, 0) / rate


class _Periodic(Counter, ABC):
    def __init__(self, total: int | None, stream: TextIO, period_s: float):
        super().__init__(total)
        self._stream = stream
        self._period_s = period_s
        self._last = time.monotonic()

    def advance(self) -> None:
        super().advance()
        now = time.monotonic()
        if now - self._last >= self._period_s:
            self._last = now
            print(self.line(), file=self._stream, flush=True)

    @abstractmethod
    def line(self) -> str:
        """Return the line to print now."""


class _Lines(_Periodic):
    def line(self) -> str:
        of = "" if self.total is None else f"/{self.total}"
        left = self.remaining_s()
        ends = "" if left is None else f", {clock(left)} left"
        text = f"vos: {self.done}{of} frames, {self.rate():.1f} frames/s{ends}"
        return ", ".join(part for part in (text, _dropped_text(self), _memory_text()) if part)


class _JsonLines(_Periodic):
    def line(self) -> str:
        left = self.remaining_s()
        return json.dumps(
            {
                "event": "progress",
                "frames": self.done,
                "total": self.total,
                "frames_per_s": round(self.rate(), 2),
                "remaining_s": None if left is None else round(left, 1),
                "memory_mb": memory_mb(),
                **({} if self.dropped is None else {"dropped": self.dropped}),
            }
        )


class _Bar(Counter):
    def __init__(self, total: int | None, stream: TextIO):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        super().__init__(total)
        self._bar = RichProgress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:.1f} frames/s"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[dropped]}"),
            TextColumn("{task.fields[memory]}"),
            console=Console(file=stream),
            transient=True,
        )
        self._task = self._bar.add_task(
            "", total=total, rate=0.0, dropped="", memory=_memory_text()
        )

    def __enter__(self) -> Self:
        super().__enter__()
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def advance(self) -> None:
        super().advance()
        total = None if self.total is None else max(self.total, self.done)
        self._bar.update(
            self._task,
            completed=self.done,
            total=total,
            rate=self.rate(),
            dropped=_dropped_text(self),
            memory=_memory_text(),
        )


def clock(seconds: float) -> str:
    """Format as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
