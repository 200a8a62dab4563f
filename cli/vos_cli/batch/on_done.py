"""A program of the user's that is run after each clip, without a shell."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import shlex
import shutil
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from vos.config import nearest
from vos.errors import UsageError, VosError
from vos.io.inside import Inside
from vos_cli.batch.folder import BatchFolder
from vos_cli.console.errors import message

PLACEHOLDERS = ("name", "state", "source", "output", "log")
LIMIT_S = 600.0
"""How long the program may take for one clip."""

_LEFT_S = 10.0
"""How long Ctrl-C waits for the one that is running."""

_NOT_RUN = "the --on-done command was not run: interrupted"
_PLACEHOLDER = re.compile(r"\{(\w*)\}")


def parse_command(text: str) -> tuple[str, ...]:
    """Split a command into its arguments, as a shell would, and check it.

    Raises UsageError for quotes that do not end, a placeholder that there is none of, and a program
    that is not found.
    """
    try:
        arguments = tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"--on-done {text!r}: {error}; correct the quotes") from None
    if not arguments:
        raise UsageError("--on-done: names no program; give one, such as 'notify {output}'")
    for argument in arguments:
        for name in _PLACEHOLDER.findall(argument):
            if name not in PLACEHOLDERS:
                known = ", ".join(f"{{{one}}}" for one in PLACEHOLDERS)
                raise UsageError(
                    f"--on-done: {{{name}}} is not one of {known}{nearest(name, PLACEHOLDERS)}; "
                    "correct it"
                )
    if shutil.which(arguments[0]) is None:
        raise UsageError(
            f"--on-done: no program {arguments[0]!r} is found; give its path (it is run without a "
            "shell: for pipes and variables name a script)"
        )
    return arguments


class Hook:
    """A program that is run after each clip, one clip after the other, while others are tracked.

    It gets the clip's entry of report.json on stdin; what it prints goes to the clip's log. A
    program that fails does not fail its clip. `end` must be called.

    arguments: as `parse_command` gives them.
    limit_s: how long it may take for one clip.
    """

    def __init__(self, arguments: tuple[str, ...], limit_s: float = LIMIT_S) -> None:
        self._arguments = arguments
        self._limit_s = limit_s
        self._queue: queue.SimpleQueue[tuple[dict[str, Any], BatchFolder] | None] = (
            queue.SimpleQueue()
        )
        self._failures: dict[str, str] = {}
        self._is_stopping = threading.Event()
        self._running: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._work, name="on-done", daemon=True)
        self._thread.start()

    def call(self, clip: dict[str, Any], folder: BatchFolder) -> None:
        """Let the program be run for a clip, given its entry of the report."""
        self._queue.put((clip, folder))

    def wait(self) -> None:
        """Wait until it has been run for every clip so far."""
        self._queue.put(None)
        self._thread.join()

    def end(self) -> dict[str, str]:
        """Stop, and return what went wrong, by the clip's name.

        Where `wait` was not called, the program that is running gets ten seconds, and clips for
        which it has not been run are among what went wrong.
        """
        self._is_stopping.set()
        self._queue.put(None)
        self._thread.join(_LEFT_S)
        if self._thread.is_alive() and self._running is not None:
            self._running.kill()
            self._thread.join(_LEFT_S)
        with contextlib.suppress(queue.Empty):  # none are left where the thread has ended well
            while True:
                item = self._queue.get_nowait()
                if item is not None:
                    self._failures.setdefault(item[0]["name"], _NOT_RUN)
        return dict(self._failures)

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            clip, folder = item
            if self._is_stopping.is_set():
                self._failures[clip["name"]] = _NOT_RUN
                continue
            reason = self._run(clip, folder)
            if reason is not None:
                self._failures[clip["name"]] = f"the --on-done command failed: {reason}"

    def _run(self, clip: dict[str, Any], folder: BatchFolder) -> str | None:
        """Run the program for one clip; return why it failed, None if it did not."""
        name = clip["name"]
        values = {
            "name": name,
            "state": clip["state"],
            "source": clip["source"],
            "output": str(folder.output(name)),
            "log": str(folder.log(name)),
        }
        sent = json.dumps({"schema": 1, **clip, **values}).encode()
        try:
            with _open_log(folder, name) as log:
                return self._run_program(_fill(self._arguments, values), sent, log)
        except VosError as error:  # the log is a link
            return f"it was not started ({message(error)})"
        except (OSError, ValueError) as error:  # ValueError: a zero byte
            return f"it cannot be started ({error})"

    def _run_program(self, arguments: list[str], sent: bytes, log: IO[bytes]) -> str | None:
        # A session of its own: Ctrl-C is for the batch, which lets it end.
        with subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            self._running = process
            try:
                process.communicate(sent, timeout=self._limit_s)
            except subprocess.TimeoutExpired:
                process.kill()
                return f"it took more than {self._limit_s:g} s and was ended"
            finally:
                self._running = None
        if process.returncode:
            return f"exit code {process.returncode}; see the log"
        return None


def _fill(arguments: tuple[str, ...], values: Mapping[str, str]) -> list[str]:
    """Put values into the arguments; one argument stays one, whatever a name holds."""
    return [_PLACEHOLDER.sub(lambda found: values[found[1]], one) for one in arguments]


def _open_log(folder: BatchFolder, name: str) -> IO[bytes]:
    path: Path = folder.log(name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.fdopen(Inside(folder.root).open(path, flags), "ab")
