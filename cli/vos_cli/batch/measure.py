"""Estimate how long a batch takes and how much disk: track for a moment, then multiply."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vos_cli.batch.engines import Plan
from vos_cli.batch.events import Finished
from vos_cli.batch.folder import BatchFolder
from vos_cli.batch.preflight import Probe, frames_to_track
from vos_cli.batch.worker import Task

MEASURED_FRAMES = 24


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long a batch will take, and how large it will be.

    seconds: of the whole batch.
    size_bytes: of the whole batch.
    frames_per_s: of one worker, with `jobs` at work.
    jobs: how many workers there are.
    measured: the clip that was tracked for this.
    """

    seconds: float
    size_bytes: int
    frames_per_s: float
    jobs: int
    measured: str


def estimate(
    probes: Sequence[Probe], plan: Plan, *, warn: Callable[[str], None]
) -> Estimate | None:
    """Track 24 frames of the middle-sized clip on every worker at once.

    Returns None where nothing could be measured; `warn` is then called with the reason.
    """
    todo = [(frames_to_track(one) or 0, one) for one in probes if one.job is not None]
    todo = [(frames, one) for frames, one in todo if frames and not one.has_output]
    if not todo:
        return None
    frames, one = sorted(todo, key=lambda pair: pair[0])[len(todo) // 2]
    with tempfile.TemporaryDirectory(prefix="vos-batch-") as place:
        folder = BatchFolder(Path(place))
        folder.make()
        tasks = [_task(one, frames, f"clip{number}", folder) for number in range(plan.jobs)]
        results = []
        for event in plan.run(tasks):
            if isinstance(event, Finished):
                results.append(event.result)
        good = [result for result in results if result.state == "done" and result.frames_per_s]
        if not good:
            warn(f"no estimate: {one.clip.name}: {results[0].reason}")
            return None
        size = sum(
            file.stat().st_size for file in folder.output(good[0].name).rglob("*") if file.is_file()
        )
    assert one.info is not None
    pixels = _pixels(one)
    rate = sum(result.frames_per_s or 0.0 for result in good) / len(good)
    total = sum(frames for frames, _ in todo)
    weighted = sum(frames * _pixels(other) / pixels for frames, other in todo)
    return Estimate(
        seconds=total / rate / plan.jobs,
        size_bytes=round(size / good[0].frames * weighted),
        frames_per_s=rate,
        jobs=plan.jobs,
        measured=one.clip.name,
    )


def _task(one: Probe, frames: int, name: str, folder: BatchFolder) -> Task:
    """Make a task of a clip's first moments after its first prompt, with all that it saves."""
    assert one.job is not None
    first = min(prompt.frame_idx for prompt in one.job.prompts)
    prompts = tuple(prompt for prompt in one.job.prompts if prompt.frame_idx == first)
    job = replace(
        one.job,
        prompts=prompts,
        start=first,
        end=first + MEASURED_FRAMES,
        direction="forward",
        output=folder.output(name),
        overwrite=True,
    )
    return Task(name, job, folder, frames)


def _pixels(one: Probe) -> int:
    assert one.info is not None
    height, width = one.info.size_hw
    return height * width
