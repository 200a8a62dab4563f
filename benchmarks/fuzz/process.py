"""Run one input as a command in a forked process, and see how it ends and what it changed."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fuzz.case import Case, Command
from benchmarks.fuzz.damage import Damage
from benchmarks.fuzz.good_files import GoodFiles

LIMIT_S = 30.0
"""Of processor time. On a machine with other work, an input may wait for much longer."""
_WAIT = 4
"""How many times the limit may pass on the clock before the input is ended."""
LIMIT_MB = 1536


@dataclass(frozen=True, slots=True)
class Seen:
    """How one input went.

    code: the exit code; minus the signal where one ended the command.
    seconds, peak_mb: what it took, its children included.
    outside: what it changed beside its output.
    said: the end of what it printed.
    is_late: it took more processor time than it may, or was ended because it went on waiting.
    is_whole: nothing of the input was damaged.
    """

    code: int
    seconds: float
    peak_mb: float
    outside: tuple[str, ...]
    said: str
    is_late: bool
    is_whole: bool

    @property
    def problem(self) -> str | None:
        """What is wrong with it, if anything."""
        if self.is_late:
            return "hang"
        if self.code < 0:
            return f"signal {-self.code}"
        if self.code == 1:
            return "exit 1"
        if self.outside:
            return "outside"
        if self.peak_mb > LIMIT_MB:
            return "memory"
        return f"whole, exit {self.code}" if self.is_whole and self.code else None


def run_case(
    case: Case,
    good: GoodFiles,
    name: str,
    number: int,
    *,
    is_whole: bool = False,
    limit_s: float = LIMIT_S,
) -> Seen:
    """Run one input in an empty folder below `good.root / "case"`, where it stays.

    is_whole: without its damage.
    """
    place = good.root / "case"
    work = make_place(place)
    command = case(good, work, Damage(f"{name}-{number}", is_off=is_whole))
    before = snapshot(place, work, command)
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        become(command.arguments, place, work)
    is_late = False
    while True:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            break
        if not is_late and time.monotonic() - started > _WAIT * limit_s:
            is_late = True
            os.killpg(pid, signal.SIGKILL)
        time.sleep(0.005)
    seconds = time.monotonic() - started
    is_late = is_late or usage.ru_utime + usage.ru_stime > limit_s
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    changed = {path for path, _ in snapshot(place, work, command) ^ before}
    return Seen(
        code=os.waitstatus_to_exitcode(status),
        seconds=seconds,
        peak_mb=usage.ru_maxrss / 1024,
        outside=tuple(sorted(changed)),
        said=(place / "said").read_text(errors="replace")[-600:],
        is_late=is_late,
        is_whole=is_whole,
    )


def make_place(place: Path) -> Path:
    """Make an empty folder for one command, with a home beside it, and return it."""
    shutil.rmtree(place, ignore_errors=True)
    work = place / "a/b/work"
    for folder in (work, place / "home", place / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    (place / "a/target.txt").write_text("must stay\n")
    return work


def become(
    arguments: list[str],
    place: Path,
    work: Path,
    instead: Callable[[list[str]], int] | None = None,
) -> None:
    """Turn this forked process into the command, which says what it does in `place / "said"`.

    instead: what is called with the arguments in place of `vos`.
    """
    code = 1
    try:
        os.setpgid(0, 0)
        os.chdir(work)
        target = os.open(place / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        null = os.open(os.devnull, os.O_RDONLY)
        for number, handle in enumerate((null, target, target)):
            os.dup2(handle, number)
        os.environ.update(HOME=str(place / "home"), TMPDIR=str(place / "tmp"))
        from vos_cli.main import run

        code = (instead or run)(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        print(f"escaped: {type(error).__name__}: {error}")
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        with contextlib.suppress(OSError):
            (place / "modules").write_text("\n".join(sys.modules))
        os._exit(code)


def import_as_it_did(place: Path) -> None:
    """Import what the last command imported, so that the next ones need not."""
    with contextlib.suppress(OSError):
        for name in (place / "modules").read_text().split():
            with contextlib.suppress(Exception):
                importlib.import_module(name)


def snapshot(place: Path, work: Path, command: Command) -> set[tuple[str, tuple[int, ...]]]:
    """Return everything that the command must leave alone: its input, and what is around it."""
    found = set()
    for folder, names, files in os.walk(place):
        if Path(folder) == place:
            names[:] = ["a"]
            files = []
        elif Path(folder) == work:
            names[:] = [name for name in names if not command.may_write(name)]
            files = [name for name in files if not command.may_write(name)]
        for name in [*files, *names]:
            path = Path(folder) / name
            about = path.lstat()
            is_file = name in files
            state = (about.st_mode, *((about.st_size, about.st_mtime_ns) if is_file else ()))
            found.add((str(path.relative_to(place)), state))
    return found
