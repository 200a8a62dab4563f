"""The batch as it goes: clips done, failed and left, frames a second, who works on what."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from vos.io.paths import display_name
from vos.settings import Progress as Mode
from vos_cli.batch.events import Event, Finished, Progressed, Started
from vos_cli.progress import JSON_PERIOD_S, PLAIN_PERIOD_S, clock, form_on

_RATE_WINDOW_S = 60.0


class Board:
    """The numbers every view shows.

    clips: to do in this run. frames: about how many these have. before: done, failed by now.
    """

    def __init__(self, clips: int, frames: int, *, failed: int):
        self.clips = clips
        self.frames = frames
        self.done = 0
        self.failed = failed
        self.frames_done = 0
        self.working: dict[str, tuple[str, int, int | None]] = {}
        self._recent: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    @property
    def left(self) -> int:
        return self.clips - self.done

    def take(self, event: Event) -> None:
        name = event.result.name if isinstance(event, Finished) else event.name
        for worker in [worker for worker, (held, _, _) in self.working.items() if held == name]:
            del self.working[worker]  # perhaps of a worker that died
        if isinstance(event, Started):
            self.working[event.worker] = (event.name, 0, None)
        elif isinstance(event, Progressed):
            self.working[event.worker] = (event.name, event.frames, event.total)
        else:
            result = event.result
            self.done += 1
            self.failed += result.state == "failed"
            self.frames_done += 0 if result.was_there else result.frames
            if result.was_there or result.state == "failed":
                self.frames -= result.frames
        self._remember()

    def rate(self) -> float:
        """Frames a second over the last minute, all workers together."""
        (first, frames), (last, more) = self._recent[0], self._recent[-1]
        return (more - frames) / (last - first) if last > first else 0.0

    def remaining_s(self) -> float | None:
        rate = self.rate()
        return max(self.frames - self._frames_now(), 0) / rate if rate > 0 else None

    def _frames_now(self) -> int:
        return self.frames_done + sum(frames for _, frames, _ in self.working.values())

    def _remember(self) -> None:
        now = time.monotonic()
        self._recent.append((now, self._frames_now()))
        while self._recent[0][0] < now - _RATE_WINDOW_S and len(self._recent) > 2:
            self._recent.popleft()


class View(Protocol):
    """A context manager that is told of every event after the board took it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def show(self, event: Event) -> None: ...


def open_view(mode: Mode, board: Board) -> View:
    """The view of that form: "auto" is the live one on a terminal and plain lines elsewhere."""
    stream = sys.stderr
    mode = form_on(stream, mode)
    if mode == "rich":
        return _Live(board, stream)
    if mode == "plain":
        return _Lines(board, stream)
    if mode == "json":
        return _JsonLines(board, stream)
    return _Quiet(board, stream)


class _Quiet:
    """Says nothing; the forms of lines build on it."""

    def __init__(self, board: Board, stream: TextIO):
        self._board = board
        self._stream = stream
        self._last = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def show(self, event: Event) -> None:
        pass

    def _print(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def _is_time(self, period_s: float) -> bool:
        now = time.monotonic()
        if now - self._last < period_s:
            return False
        self._last = now
        return True


class _Lines(_Quiet):
    """A line per finished clip, and the totals every ten seconds."""

    def show(self, event: Event) -> None:
        if isinstance(event, Finished):
            self._print(f"vos: {finished_text(event)}")
        if self._is_time(PLAIN_PERIOD_S):
            self._print(f"vos: {totals_text(self._board)}")


class _JsonLines(_Quiet):
    def show(self, event: Event) -> None:
        board = self._board
        if isinstance(event, Finished):
            result = event.result
            self._put(event="clip", name=result.name, state=result.state, reason=result.reason)
        if self._is_time(JSON_PERIOD_S) or isinstance(event, Finished):
            left = board.remaining_s()
            self._put(
                event="progress",
                done=board.done,
                failed=board.failed,
                left=board.left,
                frames_per_s=round(board.rate(), 2),
                remaining_s=None if left is None else round(left, 1),
                workers={worker: name for worker, (name, _, _) in board.working.items()},
            )

    def _put(self, **values: Any) -> None:
        self._print(json.dumps(values))


class _Live(_Quiet):
    """A bar for the batch and one for each worker; finished clips scroll by above."""

    def __init__(self, board: Board, stream: TextIO):
        from rich.console import Console, Group
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        super().__init__(board, stream)
        self._console = Console(file=stream)
        self._workers = Progress(
            TextColumn("{task.fields[worker]:>8}", style="dim"),
            BarColumn(24),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            console=self._console,
        )
        self._whole = Progress(TextColumn("{task.description}"), BarColumn(), console=self._console)
        self._clips = self._whole.add_task(totals_text(board), total=max(board.clips, 1))
        self._rows: dict[str, Any] = {}
        self._live: AbstractContextManager[Any] = Live(
            Group(self._workers, self._whole), console=self._console, transient=True
        )

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, event: Event) -> None:
        board = self._board
        if isinstance(event, Finished):
            style = "red" if event.result.state == "failed" else None
            self._console.print(finished_text(event), style=style, markup=False, highlight=False)
        for worker, (name, frames, total) in board.working.items():
            if worker not in self._rows:
                self._rows[worker] = self._workers.add_task("", total=None, worker=worker)
            whole = None if total is None else max(total, frames)
            self._workers.update(
                self._rows[worker], completed=frames, total=whole, description=display_name(name)
            )
        for worker in self._rows.keys() - board.working.keys():
            self._workers.remove_task(self._rows.pop(worker))
        self._whole.update(self._clips, completed=board.done, description=totals_text(board))


def finished_text(event: Finished) -> str:
    """One line about a finished clip."""
    result = event.result
    name = display_name(result.name)
    if result.state == "failed":
        return f"{name}: failed: {result.reason}"
    if result.was_there:
        return f"{name}: already complete, skipped"
    rate = "" if result.frames_per_s is None else f", {result.frames_per_s:.1f} frames/s"
    again = "" if result.attempts == 1 else f", attempt {result.attempts}"
    return f"{name}: {result.frames} frames{rate}{again}"


def totals_text(board: Board) -> str:
    left = board.remaining_s()
    ends = "" if left is None else f", {clock(left)} left"
    return (
        f"{board.done}/{board.clips} clips, {board.failed} failed, "
        f"{board.rate():.1f} frames/s{ends}"
    )
