"""The local engine: worker processes on this machine, each with its own loaded model."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from vos_cli.batch.engines.events import Event, Finished, Progressed, Started, Stopping
from vos_cli.batch.engines.worker import Task, Work, give_up, run_task
from vos_cli.batch.folder import ATTEMPTS, hold_shared
from vos_cli.console.errors import Interrupted

_STOP_S = 60.0
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """The setup of one worker.

    name: of the worker.
    device: used by clips whose own is "auto"; None leaves it.
    threads: that its arithmetic may use; None leaves that to the libraries.
    lock: the file it holds, shared, while it lives.
    do: does one clip.
    """

    name: str
    device: str | None
    threads: int | None
    lock: Path
    do: Work


def run_local(
    tasks: Sequence[Task],
    *,
    jobs: int,
    devices: Sequence[str] = (),
    threads: int | None = None,
    do: Work = run_task,
) -> Iterator[Event]:
    """Run the tasks, first come first served; closing the iterator stops every worker.

    A worker that dies is replaced and its clip tried again, three times in all. Workers that are
    stopped leave their clips resumable.

    jobs: number of workers.
    devices: dealt out to them in turn; empty for the settings' own.
    threads: as in `WorkerSetup`.
    do: does one clip; a function of a module.
    """
    if not tasks:
        return
    lock = tasks[0].folder.workers_lock
    queue = deque(tasks)
    crew: list[_Worker] = []
    try:
        for number in range(min(jobs, len(tasks))):
            device = devices[number % len(devices)] if devices else None
            crew.append(_Worker(WorkerSetup(f"w{number + 1}", device, threads, lock, do)))
        for worker in crew:
            yield worker.give(queue.popleft())
        while busy := [worker for worker in crew if worker.task is not None]:
            wait([one for worker in busy for one in (worker.connection, worker.sentinel)])
            for worker in busy:
                yield from worker.events(queue)
                if worker.task is None and queue:
                    yield worker.give(queue.popleft())
    except KeyboardInterrupt:
        yield Stopping()
        raise
    finally:
        _stop(crew)


def _stop(crew: list[_Worker]) -> None:
    """End every worker: idle ones at once, busy ones after they made their clip resumable."""
    for worker in crew:
        worker.ask_to_stop()
    until = time.monotonic() + _STOP_S
    try:
        for worker in crew:
            worker.process.join(max(0.0, until - time.monotonic()))
    finally:  # a second Ctrl-C comes here at once
        for worker in crew:
            worker.process.kill()


class _Worker:
    """One process as the batch sees it.

    task: what it works on, None when idle.
    """

    def __init__(self, setup: WorkerSetup):
        self._setup = setup
        self.task: Task | None = None
        self.process, self.connection = self._start()

    @property
    def sentinel(self) -> int:
        return self.process.sentinel

    def _start(self) -> tuple[BaseProcess, Any]:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=_work, args=(theirs, self._setup), name=self._setup.name)
        process.start()
        theirs.close()
        return process, ours

    def give(self, task: Task) -> Event:
        self.task = task
        with contextlib.suppress(OSError):  # it has died: noticed by `events`
            self.connection.send(task)
        return Started(task.name, self._setup.name)

    def events(self, queue: deque[Task]) -> Iterator[Event]:
        """Yield its events. A dead one is replaced, its task put back into the queue's front."""
        has_died = not self.process.is_alive()  # checked first: events sent before are still read
        try:
            while self.connection.poll():
                event = self.connection.recv()
                if isinstance(event, Finished):
                    self.task = None
                yield event
                if self.task is None:
                    break
        except (EOFError, OSError):
            has_died = True
        if has_died:
            yield from self._replace(queue)

    def _replace(self, queue: deque[Task]) -> Iterator[Event]:
        self.process.join()
        code = self.process.exitcode or 0
        self.connection.close()
        task, self.task = self.task, None
        if task is not None and task.attempt < ATTEMPTS:
            queue.appendleft(replace(task, attempt=task.attempt + 1))
        elif task is not None:
            yield Finished(give_up(task, self._setup.name, _how(code)))
        self.process, self.connection = self._start()

    def ask_to_stop(self) -> None:
        if self.task is None:
            with contextlib.suppress(OSError):
                self.connection.send(None)
        else:
            self.process.terminate()


_KILLED = 9
"""The number of SIGKILL, a name that Windows does not have."""


def _how(code: int) -> str:
    """Describe how a process ended, from its exit code."""
    if code == -_KILLED:
        return f"killed by signal {_KILLED}; out of memory is the usual reason"
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


def _work(connection: Any, setup: WorkerSetup) -> None:
    """Run a worker. Ctrl-C reaches only the batch, which stops workers by SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if setup.threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(setup.threads)  # read when torch is imported
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()
    try:
        with hold_shared(setup.lock):
            while True:
                task = connection.recv()
                if task is None:
                    return
                if setup.device is not None and task.job.settings.device == "auto":
                    task = _on_device(task, setup.device)
                on_progress = _SendProgress(connection, task.name, setup.name)
                connection.send(Finished(setup.do(task, setup.name, on_progress)))
    except (KeyboardInterrupt, Interrupted, EOFError, BrokenPipeError):
        return


@dataclass(frozen=True, slots=True)
class _SendProgress:
    """Send a clip's progress to the batch.

    connection: to the batch.
    name: of the clip.
    worker: its name.
    """

    connection: Any
    name: str
    worker: str

    def __call__(self, frames: int, total: int | None, skipped: int = 0) -> None:
        self.connection.send(Progressed(self.name, self.worker, frames, total, skipped))


def _follow(parent: int) -> None:
    """Stop when the batch is gone, however it went."""
    wait([parent])
    os.kill(os.getpid(), signal.SIGTERM)


def _on_device(task: Task, device: str) -> Task:
    chosen = replace(task.job.settings, device=device)
    return replace(task, job=replace(task.job, settings=chosen))
