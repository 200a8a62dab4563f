"""Where a frame's time goes: launches, work of the device, and time in which it has none."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

RANGE = "vos: "
"""What the name of a profiled stage begins with."""

_LAUNCHES = ("cudaLaunch", "cuLaunch", "cudaGraphLaunch", "hipLaunch", "hipGraphLaunch")


@dataclass(frozen=True, slots=True)
class StageProfile:
    """One stage of a frame, per frame.

    launches: of kernels and of whole recordings on a GPU; operations of torch on a CPU.
    host_ms: in which the calling thread is in it.
    device_ms: of work it gives a GPU; 0 on a CPU.
    """

    name: str
    launches: float
    host_ms: float
    device_ms: float


def profile_stages(frames: Iterable[Any], count: int, device: torch.device) -> str:
    """Profile `count` frames and return a table that a user can send, costliest stages first.

    frames: whose each step does a frame's work, in stages that `record_function` names `RANGE...`.
    """
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    steps = iter(frames)
    with profile(activities=activities) as done:
        began = time.perf_counter()
        for _ in range(count):
            next(steps)
        if on_gpu:
            torch.cuda.synchronize(device)
        wall_ms = 1e3 * (time.perf_counter() - began) / count
    stages = _stages(done.events() or (), count)
    busy = sum(stage.device_ms for stage in stages)
    rows = [
        f"{stage.name:<20}{stage.launches:>12.0f}{stage.host_ms:>11.2f}{stage.device_ms:>11.2f}"
        for stage in sorted(stages, key=lambda one: -max(one.host_ms, one.device_ms))
    ]
    what = "launches" if on_gpu else "operations"
    total = f"{'a frame':<20}{sum(stage.launches for stage in stages):>12.0f}{wall_ms:>11.2f}"
    if on_gpu:
        total += f"{busy:>11.2f}   the device has no work for {max(0.0, wall_ms - busy):.2f} ms"
    head = f"{'stage':<20}{what:>12}{'host ms':>11}{'device ms':>11}"
    return "\n".join([head, *rows, total])


def _stages(events: Iterable[Any], count: int) -> list[StageProfile]:
    found: dict[str, list[float]] = {}
    for event in events:
        if not event.name.startswith(RANGE) or str(event.device_type).endswith("CUDA"):
            continue
        inside = list(_descendants(event))
        launches = [one for one in inside if one.name.startswith(_LAUNCHES)]
        sums = found.setdefault(event.name.removeprefix(RANGE), [0.0, 0.0, 0.0])
        sums[0] += len(launches) or sum(one.name.startswith("aten::") for one in inside)
        sums[1] += event.cpu_time_total / 1e3
        sums[2] += sum(kernel.duration for one in inside for kernel in one.kernels) / 1e3
    return [StageProfile(name, *(value / count for value in sums)) for name, sums in found.items()]


def _descendants(event: Any) -> Iterator[Any]:
    for child in event.cpu_children:
        yield child
        yield from _descendants(child)
