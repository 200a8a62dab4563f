"""A process that scores: tasks go in and outcomes come out through its pipes.

A plain program instead of `multiprocessing`: it imports what scoring needs and nothing of the
program that started it, needs no fork of a process with threads or a GPU context, and its death
closes the pipes, which the other side sees at once.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import traceback
from contextlib import suppress
from types import TracebackType
from typing import IO

from vos_eval.errors import EvalError
from vos_eval.frame_task import FrameOutcome, Task, keep_freed_memory, score_task

_PROGRAM = "import sys; sys.path[:] = {path!r}; from vos_eval.helper_process import serve; serve()"
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Helper:
    """A started scoring process, for one thread to talk to; a context manager.

    After `wait_until_ready`, send one task, then any number of times the next task (or `finish`)
    followed by `receive`, which gives the outcomes of the one before: the process always has
    its next task at hand, and neither side can wait for the other with both pipes full.
    """

    def __init__(self) -> None:
        """Start the process.

        Raises:
            EvalError: it cannot be started.
        """
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM.format(path=sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | dict.fromkeys(_ONE_THREAD, "1"),
            )
        except OSError as error:
            raise EvalError(
                f"a scoring process cannot be started ({error.strerror or error}); try again with "
                "a smaller --jobs"
            ) from error
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._tasks: IO[bytes] = self.process.stdin
        self._outcomes: IO[bytes] = self.process.stdout

    def wait_until_ready(self) -> None:
        """Wait until the process has started.

        Raises:
            EvalError: the process died.
        """
        self._load()

    def send(self, task: Task) -> None:
        """Hand over the next task.

        Raises:
            EvalError: the process died.
        """
        try:
            pickle.dump(task, self._tasks)
            self._tasks.flush()
        except OSError as error:
            raise _died() from error

    def finish(self) -> None:
        """Say that there are no more tasks: the process ends after its last outcomes."""
        try:
            self._tasks.close()
        except OSError as error:
            raise _died() from error

    def receive(self) -> list[FrameOutcome]:
        """Return the outcomes of the oldest task that has none yet.

        Raises:
            EvalError: the process died.
            RuntimeError: scoring failed; the text is the traceback.
        """
        outcomes = self._load()
        if isinstance(outcomes, str):
            raise RuntimeError(f"a scoring process failed\n{outcomes}")
        return outcomes

    def kill(self) -> None:
        """End the process now; whoever waits for it sees its death."""
        self.process.kill()

    def _load(self) -> list[FrameOutcome] | str:
        try:
            return pickle.load(self._outcomes)
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise _died() from error

    def __enter__(self) -> Helper:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        with (
            suppress(OSError),
            self.process,
        ):  # closes the pipes, perhaps on unsent tasks, and waits
            pass


def _died() -> EvalError:
    return EvalError(
        "a scoring process died (killed, or out of memory), so there is no score; try again with a "
        "smaller --jobs"
    )


def serve() -> None:
    """Run the program of a helper: score until there are no more tasks, or nobody to score for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; our parent acts
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a stray print must not end up among the outcomes
    keep_freed_memory()
    try:
        _write_outcomes([], pipe)
        task = _read_task()
        while task is not None:
            outcomes = _score_or_explain(task)
            task = _read_task()
            _write_outcomes(outcomes, pipe)
    except BrokenPipeError:
        os._exit(1)  # without the interpreter's complaint about what it could not write


def _score_or_explain(task: Task) -> list[FrameOutcome] | str:
    try:
        return score_task(task)
    except MemoryError:
        raise
    except Exception:
        return traceback.format_exc()


def _read_task() -> Task | None:
    try:
        return pickle.load(sys.stdin.buffer)
    except EOFError:
        return None


def _write_outcomes(outcomes: list[FrameOutcome] | str, pipe: IO[bytes]) -> None:
    pickle.dump(outcomes, pipe)
    pipe.flush()
