"""The Ray engine: the same work in actors of a Ray cluster, or of a Ray of its own here.

Actors, not plain tasks: Ray ends a GPU task's process with the task, and each clip would load its
model again. An actor keeps its process, its GPU and its model.
"""

from __future__ import annotations

import contextlib
import pickle
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vos.errors import UsageError, VosError
from vos.io.disk import write_atomic
from vos.model import registry
from vos.version import __version__
from vos_cli.batch.engines.events import Event, Finished, Progressed, Started
from vos_cli.batch.engines.ray.worker import NodeWorker
from vos_cli.batch.engines.worker import Task, Work, give_up, run_task
from vos_cli.batch.folder import ATTEMPTS
from vos_cli.console.notices import warn

_PATIENCE_S = 60.0
"""How long to wait for another worker when none so far can do the work."""


@dataclass(frozen=True, slots=True)
class Share:
    """One worker's share of the cluster.

    resources: options of a Ray actor.
    threads: that its arithmetic may use; None leaves that to the libraries.
    """

    resources: dict[str, float]
    threads: int | None = None


def run_ray(
    ray: Any, tasks: Sequence[Task], *, jobs: int, share: Share, do: Work = run_task
) -> Iterator[Event]:
    """Run the tasks on a connected Ray; closing the iterator stops every worker.

    A worker that dies, alone or with its node, is replaced where there is room, and its clip tried
    again, three times in all. A node that cannot do the work is warned of and gets none.

    jobs: number of workers; those there is no room for wait until there is.
    share: what each of them gets.
    do: does one clip; a function of a module.

    Raises VosError if no node can do the work.
    """
    if not tasks:
        return
    folder = tasks[0].folder
    token = folder.root / f".visible-{uuid.uuid4().hex}"
    write_atomic(token, b"")
    footage = sorted({str(_find_folder(task.job.source)) for task in tasks})
    hello = (__version__, str(token), str(folder.workers_lock), footage)
    queue = deque(map(_pin_model, tasks))
    crew: list[_Worker] = []
    reported: set[str] = set()
    try:
        for number in range(min(jobs, len(tasks))):
            crew.append(_Worker(ray, f"w{number + 1}", share, hello, do))
        while queue or any(worker.task for worker in crew):
            calls = {call: worker for worker in crew for call in worker.calls}
            problem = _find_problem(crew)
            patience_s = None if problem is None else _PATIENCE_S
            ready = ray.wait(list(calls), timeout=patience_s)[0] if calls else []
            if problem is not None and not ready:
                raise problem
            for call in ready:
                worker = calls[call]
                yield from worker.take_result(call, queue)
                if worker.problem is not None and str(worker.problem) not in reported:
                    reported.add(str(worker.problem))
                    warn(str(worker.problem))
            for worker in crew:
                if worker.is_idle and queue:
                    yield worker.give(queue.popleft())
    finally:
        for worker in crew:
            worker.end()
        token.unlink(missing_ok=True)


def _find_problem(crew: Sequence[_Worker]) -> VosError | None:
    """Return a worker's problem where no other is at work; more may be on their way."""
    if any(worker.task or worker.is_idle for worker in crew):
        return None
    return next((worker.problem for worker in crew if worker.problem is not None), None)


class _Worker:
    """One actor as the batch sees it.

    name: of the worker; its node's name is added once it has greeted.
    task: what it works on, None when idle.
    problem: why it gets no work.
    calls: those that have not returned.
    """

    def __init__(self, ray: Any, name: str, share: Share, hello: tuple[Any, ...], do: Work) -> None:
        self._ray, self._share, self._hello, self._do = ray, share, hello, do
        self.name, self._label = name, name
        self.task: Task | None = None
        self.problem: VosError | None = None
        self._failed_starts = 0
        self._start()

    @property
    def is_idle(self) -> bool:
        return self._has_greeted and self.task is None and self.problem is None

    @property
    def calls(self) -> list[Any]:
        return [call for call in (self._work, self._poll) if call is not None]

    def _start(self) -> None:
        actor = self._ray.remote(**self._share.resources, max_concurrency=2)(NodeWorker)
        self._actor = actor.remote(self._label, self._share.threads)
        self._has_greeted = False
        self._work, self._poll = self._actor.hello.remote(*self._hello), None

    def give(self, task: Task) -> Event:
        self.task = task
        self._work = self._actor.track.remote(pickle.dumps((task, self._do)))
        self._poll = self._poll or self._actor.latest.remote()
        return Started(task.name, self.name)

    def take_result(self, call: Any, queue: deque[Task]) -> Iterator[Event]:
        """Yield the events of a call. A dead actor is replaced, its task put in front."""
        is_poll = call == self._poll
        if is_poll:
            self._poll = None
        else:
            self._work = None
        try:
            outcome = self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            yield from self._replace(error, queue)
            return
        if is_poll:
            yield from self._poll_again(outcome)
        elif self.task is None:
            self.name, self.problem = outcome
            self._has_greeted = True
        else:
            self.task = None
            yield Finished(outcome)

    def _poll_again(self, latest: Progressed | None) -> Iterator[Event]:
        if self.task is not None:
            self._poll = self._actor.latest.remote()
            if latest is not None and latest.name == self.task.name:
                yield latest

    def _replace(self, error: Exception, queue: deque[Task]) -> Iterator[Event]:
        self.end()
        task, self.task = self.task, None
        if not self._has_greeted:
            self._failed_starts += 1
            if self._failed_starts == ATTEMPTS:
                self.problem = UsageError(
                    f"no worker starts on a node of the cluster ({_why(error)}); install this vos "
                    "on every node"
                )
                self._work = self._poll = None
                return
        elif task is not None and task.attempt < ATTEMPTS:
            queue.appendleft(replace(task, attempt=task.attempt + 1))
        elif task is not None:
            yield Finished(give_up(task, self.name, _why(error)))
        self._start()

    def end(self) -> None:
        """End the actor's process; what it worked on is resumed from its last checkpoint."""
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.kill(self._actor)


def _find_folder(source: str) -> Path:
    """Return the nearest folder above a clip, which a pattern does not name."""
    return next(folder for folder in Path(source).parents if folder.is_dir())


def _pin_model(task: Task) -> Task:
    """Replace "auto" by the model it means here, so that all nodes use the same."""
    chosen = task.job.settings
    if chosen.model != registry.AUTO:
        return task
    pinned = replace(chosen, model=registry.resolve(chosen.model).name)
    return replace(task, job=replace(task.job, settings=pinned))


def _why(error: Exception) -> str:
    """Return what matters of Ray's many lines."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].partition(". ")[0].strip()
