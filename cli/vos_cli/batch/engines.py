"""How many workers a batch has, on which devices, with how many threads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from vos.errors import UsageError
from vos_cli.batch.events import Event
from vos_cli.batch.local import run_local
from vos_cli.batch.worker import Task

CORES_PER_JOB = 4


class Plan(Protocol):
    """An engine that is ready to run.

    jobs: how many clips it runs at once at most.
    """

    @property
    def jobs(self) -> int: ...

    def run(self, tasks: Sequence[Task]) -> Iterator[Event]:
        """Run the tasks; closing the iterator stops them, resumable."""
        ...


@dataclass(frozen=True, slots=True)
class LocalPlan:
    """Worker processes on this machine.

    jobs: how many workers there are.
    devices: dealt out to the workers in turn; empty for the settings' own.
    threads: of each worker; None leaves that to the libraries.
    """

    jobs: int
    devices: tuple[str, ...] = ()
    threads: int | None = None

    def run(self, tasks: Sequence[Task]) -> Iterator[Event]:
        return run_local(tasks, jobs=self.jobs, devices=self.devices, threads=self.threads)


def local_plan(jobs: int | None, device: str) -> LocalPlan:
    """Plan one worker per GPU where "auto" finds some; on a CPU one per four cores.

    Raises UsageError for a CUDA device that is not here.
    """
    gpus = gpu_count() if device == "auto" else 0
    if gpus:
        return LocalPlan(jobs or gpus, tuple(f"cuda:{number}" for number in range(gpus)))
    if device.startswith("cuda"):
        _check_cuda(device)
        return LocalPlan(jobs or 1)
    cores = core_count()
    workers = jobs or max(1, cores // CORES_PER_JOB)
    return LocalPlan(workers, threads=threads_each(cores, workers))


def threads_each(cores: int, workers: int) -> int:
    """Return the threads for one of several workers, at most what OMP_NUM_THREADS says."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    most = int(wanted) if wanted.isdecimal() and int(wanted) > 0 else cores
    return max(1, min(most, cores // workers))


def core_count() -> int:
    """Count the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_cuda(device: str) -> None:
    count = gpu_count()
    if int(device.partition(":")[2] or 0) >= count:
        raise UsageError(
            f"--device {device}: CUDA devices that torch sees here: {count}; give auto or cpu"
        )


def gpu_count() -> int:
    """Count the CUDA devices torch can use."""
    import torch

    return torch.cuda.device_count()
