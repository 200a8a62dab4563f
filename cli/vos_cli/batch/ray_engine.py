"""The Ray engine: the same work as tasks of a Ray cluster, or of a Ray of its own here.

Nothing but names, options and results goes through Ray; footage and outputs are read and written by
the workers under the same paths as here.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vos.errors import InputError, OutputError, UsageError, VosError
from vos.io.disk import write_atomic
from vos.io.paths import display_name
from vos.model import registry
from vos.version import __version__
from vos_cli.batch.engines import core_count, threads_each
from vos_cli.batch.events import Event, Finished, Progressed
from vos_cli.batch.folder import ATTEMPTS, ClipResult, hold_shared, host
from vos_cli.batch.work import Task, Work, run_task

_TOKEN = ".visible"
_LOOK_S = 0.5
_STOP_S = 60.0
_CORES_PER_TASK = 4


@dataclass(frozen=True, slots=True)
class RayPlan:
    """Tasks of Ray, each with a GPU where the cluster has some.

    jobs: most clips at once; 0 for as many as the cluster has room for. address: of a cluster; None
    starts a Ray on this machine for the time of the batch. device: the settings' own. do: what is
    done with a task.
    """

    jobs: int
    address: str | None
    device: str
    do: Work = run_task

    @property
    def name(self) -> str:
        return "ray"

    def run(self, tasks: Sequence[Task]) -> Iterator[Event]:
        """Run the tasks; closing the iterator stops them, resumable.

        A task whose worker or node dies is given to another, three times in all.

        Raises UsageError if Ray is not installed or the cluster cannot be reached.
        """
        if not tasks:
            return
        ray = _import_ray()
        with _connected(ray, self.address):
            yield from _Cluster(ray, self, tasks).run()


class _Cluster:
    """One batch on a connected Ray."""

    def __init__(self, ray: Any, plan: RayPlan, tasks: Sequence[Task]):
        self._ray = ray
        self._queue = deque(map(_pinned, tasks))
        self._running: dict[Any, Task] = {}
        self._token = uuid.uuid4().hex
        write_atomic(tasks[0].folder.root / _TOKEN, self._token.encode())
        has_gpus = plan.device.startswith("cuda") or (
            plan.device == "auto" and ray.cluster_resources().get("GPU", 0) > 0
        )
        self._threads = None if has_gpus else _threads(ray, plan.jobs)
        self._most = plan.jobs
        self._do = plan.do
        self._per_task = {"num_gpus": 1} if has_gpus else {"num_cpus": self._threads}
        self._track = ray.remote(**self._per_task, max_retries=0)(track_on_node)
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        self._mailbox = ray.remote(num_cpus=0, scheduling_strategy=here)(Mailbox).remote()

    def run(self) -> Iterator[Event]:
        try:
            while self._queue or self._running:
                self._submit()
                ready, _ = self._ray.wait(list(self._running), timeout=_LOOK_S)
                yield from self._ray.get(self._mailbox.take.remote())
                for one in ready:
                    result = self._result(one)
                    if result is not None:
                        yield Finished(result)
        finally:
            self._stop()

    def _submit(self) -> None:
        """Keep twice as many tasks under way as there is room for, so that no worker waits."""
        (kind, each), *_ = self._per_task.items()
        room = self._ray.cluster_resources().get("GPU" if kind == "num_gpus" else "CPU", 0) // each
        most = self._most or 2 * max(1, int(room))
        while self._queue and len(self._running) < most:
            task = self._queue.popleft()
            setup = NodeSetup(self._threads, self._token, __version__, self._do)
            one = self._track.remote(task, setup, self._mailbox)
            self._running[one] = task

    def _result(self, one: Any) -> ClipResult | None:
        """What came of a task; None if it is tried again."""
        task = self._running.pop(one)
        try:
            return self._ray.get(one)
        except self._ray.exceptions.RayError as error:
            if task.attempt < ATTEMPTS:
                self._queue.appendleft(replace(task, attempt=task.attempt + 1))
                return None
            result = ClipResult(
                task.name,
                "failed",
                reason=f"its worker died {task.attempt} times ({_first_line(error)}); see the log",
                exit_code=1,
                attempts=task.attempt,
            )
            task.folder.write_result(result)
            return result

    def _stop(self) -> None:
        """Interrupt what runs and wait until it is resumable."""
        for one in self._running:
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.cancel(one)
        if self._running:
            one = list(self._running)
            self._ray.wait(one, num_returns=len(one), timeout=_STOP_S)


class Mailbox:
    """An actor that holds what workers tell until the batch asks."""

    def __init__(self) -> None:
        self._latest: dict[str, Progressed] = {}

    def put(self, event: Progressed) -> None:
        self._latest[event.worker] = event

    def take(self) -> list[Progressed]:
        latest, self._latest = list(self._latest.values()), {}
        return latest


@dataclass(frozen=True, slots=True)
class NodeSetup:
    """What a node is told. token: must be found in the batch's folder. version: of vos."""

    threads: int | None
    token: str
    version: str
    do: Work


def track_on_node(task: Task, setup: NodeSetup, mailbox: Any) -> ClipResult:
    """One clip, on whatever machine Ray chose."""
    if setup.threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(setup.threads)  # read when torch is imported
    worker = f"{host()}:{os.getpid()}"
    try:
        _check_node(task, setup.token, setup.version)
    except VosError as error:
        return ClipResult(
            task.name,
            "failed",
            reason=f"{host()}: {error}",
            exit_code=error.exit_code,
            worker=worker,
            attempts=task.attempt,
        )

    def tell(frames: int, total: int | None) -> None:
        mailbox.put.remote(Progressed(task.name, worker, frames, total))

    with hold_shared(task.folder.workers_lock):
        return setup.do(task, worker, tell)


def _check_node(task: Task, token: str, version: str) -> None:
    """Raises VosError unless this machine has our version and sees our files under our paths."""
    if version != __version__:
        raise UsageError(f"vos {__version__} is installed here, the batch runs {version}; update")
    root = task.folder.root
    try:
        is_ours = (root / _TOKEN).read_text() == token
    except OSError:
        is_ours = False
    if not is_ours:
        raise OutputError(
            f"{display_name(root)}: is not the batch's folder on this machine; OUT must be on "
            "storage that every node mounts at the same path"
        )
    source = Path(task.job.source)
    if not source.exists() and not source.parent.exists():
        raise InputError(
            f"{display_name(source)}: not visible on this machine; footage must be on storage "
            "that every node mounts at the same path"
        )


def _pinned(task: Task) -> Task:
    """The task with "auto" replaced by the model it means here, so that all nodes use the same."""
    chosen = task.job.settings
    if chosen.model != registry.AUTO:
        return task
    pinned = replace(chosen, model=registry.resolve(chosen.model).name)
    return replace(task, job=replace(task.job, settings=pinned))


def _threads(ray: Any, jobs: int) -> int:
    """Cores for each task: the smallest node's, divided; the same everywhere, as the last bits of
    results depend on it."""
    nodes = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    cores = int(min([count for count in nodes if count] or [core_count()]))
    workers = -(-jobs // max(1, len(nodes))) or max(1, cores // _CORES_PER_TASK)
    return threads_each(cores, workers)


def _import_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise UsageError(
            f"--engine ray: Ray is not installed ({error}); get it with pip install 'vos[ray]'"
        ) from None
    return ray


@contextlib.contextmanager
def _connected(ray: Any, address: str | None) -> Iterator[None]:
    began = time.monotonic()
    try:
        if address is None:
            ray.init("local", num_cpus=core_count(), include_dashboard=False, log_to_driver=False)
        else:
            ray.init(address, log_to_driver=False)
    except (ConnectionError, TimeoutError, ValueError, RuntimeError) as error:
        waited = time.monotonic() - began
        raise UsageError(
            f"--ray-address {address}: no Ray cluster answers there after {waited:.0f} s "
            f"({_first_line(error)}); start one with `ray start --head`"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
