"""Work that the page started: one thread at a time, watched and stopped from the page."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Literal

from vos.errors import VosError
from vos_cli.console.errors import Interrupted
from vos_cli.console.progress import Counter

State = Literal["none", "running", "done", "stopped", "failed"]


class Background:
    """Work in a thread, one piece after the other; what runs and fixes have in common.

    state: of the work that was started last.
    """

    def __init__(self) -> None:
        self.state: State = "none"
        self._stop = threading.Event()
        self._progress = Counter(None)
        self._thread: threading.Thread | None = None
        self._error: VosError | None = None

    def stop(self) -> None:
        """End the work after its next frame."""
        self._stop.set()

    def wait(self) -> None:
        """Wait until nothing is under way."""
        if self._thread is not None:
            self._thread.join()

    def _begin(self, name: str, work: Callable[[], None]) -> None:
        """Do the work in a thread of that name. Interrupted means that it was stopped."""
        self._stop.clear()
        self._error = None
        self.state = "running"
        self._thread = threading.Thread(target=self._do, args=(work,), name=name, daemon=True)
        self._thread.start()

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
            self.state = "done"
        except Interrupted:
            self.state = "stopped"
        except Exception as error:
            self._error = error if isinstance(error, VosError) else InternalError(error)
            self.state = "failed"


class InternalError(VosError):
    """A bug of ours, worded for the page; its traceback goes with the exception."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"internal error: {type(error).__name__}: {error}")
        self.__cause__ = error
