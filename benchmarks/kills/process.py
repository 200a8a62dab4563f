"""Start a command in a forked process of its own group, and kill it or wait for its end."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.fuzz.process import become

LIMIT_S = 60.0
_CHANGES = {
    "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate",
    "shutil.rmtree",
}  # fmt: skip
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class StuckError(Exception):
    """A command did not end in its time."""


@dataclass
class Running:
    """A command that was started.

    pid: its process.
    started: the helpers it started, as far as they were seen.
    """

    pid: int
    started: set[psutil.Process] = field(default_factory=set)

    def look(self) -> None:
        """Remember the processes it has started by now."""
        with contextlib.suppress(psutil.Error):
            self.started |= set(psutil.Process(self.pid).children(recursive=True))

    def has_ended(self) -> bool:
        """Tell whether it has ended; it stays to be waited for."""
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return ended is not None

    def wait(self, limit_s: float = LIMIT_S) -> int:
        """Return its exit code, minus the signal that ended it. Raises StuckError."""
        end = time.monotonic() + limit_s
        while not self.has_ended():
            if time.monotonic() > end:
                self.kill()
                os.waitpid(self.pid, 0)
                raise StuckError
            time.sleep(0.005)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> None:
        """Kill it and all that it started."""
        self.look()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        for one in self.started:
            with contextlib.suppress(psutil.Error):
                one.kill()

    def kill_parent(self) -> None:
        """Kill it alone; what it started finds out by itself."""
        self.look()
        os.kill(self.pid, signal.SIGKILL)

    def kill_worker(self, chance: random.Random) -> bool:
        """Kill one of the processes that it started, if there is one."""
        self.look()
        alive = sorted((one for one in self.started if one.is_running()), key=lambda one: one.pid)
        if not alive:
            return False
        with contextlib.suppress(psutil.Error):
            chance.choice(alive).kill()
            return True
        return False

    def has_left(self, patience_s: float = 20.0) -> bool:
        """Tell whether a process that it started goes on after it."""
        _, alive = psutil.wait_procs(self.started, timeout=patience_s)
        return bool(alive)


def start(
    arguments: list[str],
    place: Path,
    work: Path,
    *,
    on_step: Callable[[int], None] | None = None,
    instead: Callable[[list[str]], int] | None = None,
) -> Running:
    """Start a command.

    on_step: called in it before each change of a file system that Python makes, with its number.
    instead: what is called with the arguments in place of `vos`.
    """
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        os.environ["VOS_CHECKPOINT_S"] = "0.02"
        if on_step is not None:
            sys.addaudithook(_count_steps(on_step))
        become(arguments, place, work, instead)
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)
    return Running(pid)


def die_at(step: int) -> Callable[[int], None]:
    """Return what ends this process, and all of its group, before its change number `step`."""

    def on_step(number: int) -> None:
        if number == step:
            os.killpg(0, signal.SIGKILL)

    return on_step


def _count_steps(on_step: Callable[[int], None]) -> Callable[[str, tuple[Any, ...]], None]:
    count = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES
        if event in _CHANGES or is_write:
            count += 1
            on_step(count)

    return hook


def count_steps(arguments: list[str], place: Path, work: Path) -> tuple[int, int, float]:
    """Run a command to its end; return its exit code, its changes and its seconds."""
    note = place / "steps"
    handle = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    began = time.monotonic()

    def on_step(number: int) -> None:
        os.pwrite(handle, b"%9d" % number, 0)

    code = start(arguments, place, work, on_step=on_step).wait()
    seconds = time.monotonic() - began
    os.close(handle)
    return code, int(note.read_bytes() or b"0"), seconds
