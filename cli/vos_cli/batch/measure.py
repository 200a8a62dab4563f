"""Estimate how long a batch takes and how much disk: track for a moment, then multiply; say so."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vos_cli.batch.engines.events import Finished
from vos_cli.batch.engines.plan import Plan
from vos_cli.batch.engines.worker import Task
from vos_cli.batch.folder import BatchFolder
from vos_cli.batch.preflight import Probe, frames_to_track, table
from vos_cli.console.errors import one_line
from vos_cli.console.progress import clock
from vos_cli.console.tables import print_table

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


def summary(probes: Sequence[Probe]) -> str:
    """Return one line about all clips."""
    bad = sum(one.problem is not None for one in probes)
    frames = sum(frames_to_track(one) or 0 for one in probes)
    clips = f"{len(probes)} clip{'s' * (len(probes) != 1)}"
    return f"{clips}, about {frames} frames; {bad} cannot be tracked"


def print_plan(
    probes: Sequence[Probe], guess: Estimate | None, folder: BatchFolder, *, as_json: bool
) -> None:
    """Print what a batch would do, for people or as JSON."""
    free = folder.free_bytes()
    if as_json:
        print(json.dumps(_plan_json(probes, guess, folder, free)))
        return
    rows = table(probes)
    print_table([[one_line(cell) for cell in row] for row in rows], {"ok": "green"})
    print(f"\n{summary(probes)}")
    if guess is not None:
        print(
            f"about {clock(guess.seconds)} (h:mm:ss) at {guess.frames_per_s:.1f} frames/s per "
            f"worker, measured on {one_line(guess.measured)} with {guess.jobs} at work"
        )
        print(f"about {guess.size_bytes / 1e6:.1f} MB; {free / 1e6:.0f} MB are free")


def _plan_json(
    probes: Sequence[Probe], guess: Estimate | None, folder: BatchFolder, free: int
) -> dict[str, Any]:
    return {
        "schema": 1,
        "output": str(folder.root),
        "clips": [
            {
                "name": one.clip.name,
                "source": one.clip.source,
                "problem": one.problem,
                "has_output": one.has_output,
                "frames_to_track": frames_to_track(one),
                "input": one.as_json(),
                "notes": list(one.notes),
            }
            for one in probes
        ],
        "estimate": None
        if guess is None
        else {
            "seconds": round(guess.seconds, 1),
            "size_bytes": guess.size_bytes,
            "frames_per_s": round(guess.frames_per_s, 2),
            "jobs": guess.jobs,
            "measured": guess.measured,
        },
        "free_bytes": free,
    }
