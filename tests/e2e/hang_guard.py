"""An end for a browser test that would hang, with what the page was doing by then."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import greenlet
import psutil

_ANSWER_S = 5  # for the stack
_REQUESTS_TOLD = 20


@contextmanager
def hang_guard(page: Any, limit_s: float) -> Iterator[None]:
    """Kill the page after `limit_s`, so that every wait fails, with a note that has the stacks.

    The page's stack is that of what its script does then, or does next.
    """
    guard = _Guard(page, limit_s)
    try:
        yield
    except Exception as error:
        error.add_note(guard.note())
        raise
    finally:
        guard.end()


class _Guard:
    """A watch over one page. Playwright's own event loop runs it, also while a call waits."""

    def __init__(self, page: Any, limit_s: float) -> None:
        self._begun = time.monotonic()
        self._requests: deque[str] = deque(maxlen=_REQUESTS_TOLD)
        self._stacks: list[str] = []
        page.on("request", lambda one: self._say("asked", one))
        page.on("requestfinished", lambda one: self._say("has", one))
        page.on("requestfailed", lambda one: self._say(f"failed ({one.failure})", one))
        self._cdp = page.context.new_cdp_session(page)
        self._cdp.on("Debugger.paused", self._keep_stack)
        self._cdp.send("Debugger.enable")
        # In a greenlet, as Playwright calls its handlers: the main one waits for the page.
        pause = greenlet.greenlet(self._pause)
        self._waiting = [
            page._loop.call_later(limit_s, pause.switch),
            page._loop.call_later(limit_s + _ANSWER_S, self._kill),
        ]

    def note(self) -> str:
        """Return what is known, as text."""
        names = {one.ident: one.name for one in threading.enumerate()}
        threads = [
            f"Thread {names.get(ident)}:\n{''.join(traceback.format_stack(frame)[-6:])}"
            for ident, frame in sys._current_frames().items()
        ]
        page = self._stacks or ["no stack: the page was not at its limit, or did not answer"]
        return "\n".join(
            ["The page's script:", *page, "Its last requests:", *self._requests, *threads]
        )

    def end(self) -> None:
        for call in self._waiting:
            call.cancel()

    def _say(self, what: str, request: Any) -> None:
        path = "/".join(request.url.split("/")[4:])
        self._requests.append(f"{time.monotonic() - self._begun:.2f} s: {what} {path}")

    def _keep_stack(self, event: Any) -> None:
        for frame in event["callFrames"]:
            line, file = frame["location"]["lineNumber"] + 1, frame["url"].rpartition("/")[2]
            self._stacks.append(f"  {frame['functionName'] or '(unnamed)'} {file}:{line}")

    def _pause(self) -> None:
        """Have the script stop, wherever it is, and tell where."""
        with contextlib.suppress(Exception):  # it may be gone, or be killed first
            self._cdp.send("Debugger.pause")

    def _kill(self) -> None:
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "--type=renderer" in process.cmdline():
                    process.kill()
