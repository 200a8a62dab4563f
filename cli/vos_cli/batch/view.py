"""Views of a running batch, on stderr: live on a terminal, lines or JSON lines elsewhere."""

from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TextIO

from vos.io.paths import display_name
from vos.settings import Progress as Mode
from vos_cli.batch.board import Board
from vos_cli.batch.engines.events import Event, Finished, Started, Stopping
from vos_cli.console.progress import JSON_PERIOD_S, PLAIN_PERIOD_S, clock, form_on

if TYPE_CHECKING:
    from rich.console import RenderableType

_DRAW_PERIOD_S, _SOONEST_S = 0.2, 0.05
_STOPPING = "stopping; half-done clips are saved first, Ctrl-C again does not wait"


class View(Protocol):
    """A context manager that shows every event after the board took it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def show(self, event: Event) -> None: ...


def open_view(mode: Mode, board: Board) -> View:
    """Open the view of that form; "auto" is the live one on a terminal, else plain lines."""
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
    """A view that prints nothing; the forms of lines build on it."""

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
        if isinstance(event, Stopping):
            self._print(f"vos: {_STOPPING}")
        elif self._is_time(PLAIN_PERIOD_S):
            self._print(f"vos: {totals_text(self._board)}")


class _JsonLines(_Quiet):
    def show(self, event: Event) -> None:
        board = self._board
        if isinstance(event, Finished):
            result = event.result
            self._put(
                event="clip",
                name=result.name,
                state=result.state,
                reason=result.reason,
                delivered=list(result.delivered),
            )
        if self._is_time(JSON_PERIOD_S) or isinstance(event, Finished):
            left = board.remaining_s()
            self._put(
                event="progress",
                done=board.done,
                failed=board.failed,
                left=board.left,
                frames_per_s=round(board.rate() or 0.0, 2),
                remaining_s=None if left is None else round(left, 1),
                workers={worker: one.name for worker, one in board.working.items()},
            )

    def _put(self, **values: Any) -> None:
        self._print(json.dumps(values))


class _Live(_Quiet):
    """A line for each worker and one for the whole; finished clips scroll by above.

    It is drawn when something happens, by this thread: no other one writes to the terminal.
    """

    def __init__(self, board: Board, stream: TextIO):
        from rich.console import Console
        from rich.live import Live

        super().__init__(board, stream)
        self._console = Console(file=stream)
        self._live: Live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._last = 0.0

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
        if isinstance(event, Finished):
            style = "red" if event.result.state == "failed" else None
            self._console.print(finished_text(event), style=style, markup=False, highlight=False)
        period_s = {Started: _SOONEST_S, Stopping: 0.0}.get(type(event), _DRAW_PERIOD_S)
        if self._is_time(period_s):
            self._live.update(self._table(), refresh=True)

    def _table(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        board, console = self._board, self._console
        bar = max(4, min(24, console.width // 5))
        at_work = sorted(board.working.items(), key=lambda pair: (len(pair[0]), pair[0]))
        most = max(1, console.height - 4)
        workers = Table.grid(padding=(0, 1), expand=True)
        for justify in ("left", "left", "right"):
            workers.add_column(no_wrap=True, justify=justify)
        workers.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for worker, one in at_work[:most]:
            total = None if one.total is None else max(one.total, one.frames)
            count = f"{one.frames}/{total or '?'}" if one.frames or total else "starting"
            workers.add_row(
                Text(worker, "dim"),
                ProgressBar(total or 1, one.frames if total else 0, width=bar),
                Text(count, "dim"),
                Text(display_name(one.name)),
            )
        whole = Table.grid(padding=(0, 1))
        text = _STOPPING if board.is_stopping else totals_text(board)
        whole.add_row(ProgressBar(max(board.clips, 1), board.done, width=bar), Text(text))
        more = len(at_work) - most
        cut = [Text(f"and {more} workers more", "dim")] if more > 0 else []
        return Group(workers, *cut, whole)


def finished_text(event: Finished) -> str:
    """Return one line about a finished clip."""
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
    """Return one line about the whole batch."""
    rate, left = board.rate(), board.remaining_s()
    text = f"{board.done}/{board.clips} clips, {board.failed} failed"
    if rate is not None:
        text += f", {rate:.1f} frames/s"
    return text if left is None else f"{text}, {clock(left)} left"
