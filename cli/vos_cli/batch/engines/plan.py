"""How many workers a batch has, on which devices, with how many threads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from vos.config import as_device
from vos.errors import UsageError
from vos_cli.batch.clips.clip import Clip
from vos_cli.batch.engines.events import Event
from vos_cli.batch.engines.local import run_local
from vos_cli.batch.engines.worker import Task

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


def local_plan(jobs: int | None, device: str, devices: Sequence[str] = ()) -> LocalPlan:
    """Plan one worker per GPU where "auto" finds some; on a CPU one per four cores.

    devices: to share the clips out over, one worker each unless `jobs` says otherwise; empty for
        those of `device`.

    Raises UsageError for a device that is not here.
    """
    if devices:
        for one in devices:
            check_device("--devices", one)
        workers = jobs or len(devices)
        on_cpu = sum(devices[number % len(devices)] == "cpu" for number in range(workers))
        threads = threads_each(core_count(), on_cpu) if on_cpu else None
        return LocalPlan(workers, tuple(devices), threads)
    check_device("--device", device)
    gpus = gpu_count() if device == "auto" else 0
    if gpus:
        return LocalPlan(jobs or gpus, tuple(f"cuda:{number}" for number in range(gpus)))
    if device.startswith(("cuda", "mps")):
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


def check_device(option: str, device: str) -> None:
    """Raise UsageError for a device that this machine does not have.

    A CUDA device is only counted: to use it would take memory there.
    """
    if device.startswith("cuda"):
        count = gpu_count()
        if int(device.partition(":")[2] or 0) >= count:
            raise UsageError(
                f"{option} {device}: CUDA devices that torch sees here: {count}; give auto or cpu"
            )
    elif device == "mps" and not has_mps():
        raise UsageError(f"{option} mps: no Apple GPU that this torch can use; give auto or cpu")


def refuse_missing_devices(clips: Sequence[Clip]) -> list[Clip]:
    """Note with each clip whose row names a device that is not here that it does."""
    return [replace(clip, problem=clip.problem or _missing_device(clip)) for clip in clips]


def _missing_device(clip: Clip) -> str | None:
    if clip.flags.device is None:
        return None
    try:
        check_device("device", clip.flags.device)
    except UsageError as error:
        return str(error)
    return None


def parse_devices(text: str) -> tuple[str, ...]:
    """Parse a list such as `cuda:0,cuda:1`. Raises UsageError, ConfigError for a wrong name."""
    names = tuple(one.strip() for one in text.split(","))
    for name in names:
        as_device(name, f"--devices {text}")
    if "auto" in names:
        raise UsageError(f"--devices {text}: auto is no list; leave --devices out for it")
    return names


def has_mps() -> bool:
    """Tell whether torch can use an Apple GPU."""
    import torch

    return torch.backends.mps.is_available()


def gpu_count() -> int:
    """Count the CUDA devices torch can use."""
    import torch

    return torch.cuda.device_count()
