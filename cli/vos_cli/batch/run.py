"""A whole batch: probe, plan, run on an engine, report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from vos_cli.batch.board import Board
from vos_cli.batch.engines import Plan
from vos_cli.batch.events import Finished
from vos_cli.batch.folder import BatchFolder, ClipResult
from vos_cli.batch.preflight import Probe, frames_to_track
from vos_cli.batch.report import Entry, Run, write_reports
from vos_cli.batch.view import open_view
from vos_cli.batch.worker import Task
from vos_cli.console.errors import Interrupted


@dataclass(frozen=True, slots=True)
class Limits:
    """Which clips are run, and when to stop.

    only_failed: of what an earlier run tried, only the failures. most_failures: stop at that many;
    None never.
    """

    only_failed: bool = False
    most_failures: int | None = None


def run_batch(
    probes: Sequence[Probe],
    folder: BatchFolder,
    plan: Plan,
    *,
    limits: Limits,
    view: str,
) -> dict[str, Any]:
    """Track what can be tracked and write the reports, whatever happens.

    Returns the content of report.json.

    Raises Interrupted on Ctrl-C, after stopping the workers and writing the reports.
    """
    started, clock = time.time(), time.monotonic()
    results = _problems(probes, folder)
    tasks = _tasks(probes, folder, only_failed=limits.only_failed)
    state = "finished"
    failed = sum(result.state == "failed" for result in results.values())
    board = Board({task.name: task.frames or 0 for task in tasks}, failed=failed)
    try:
        if _is_too_many(failed, limits):
            state = "stopped"
        else:
            with open_view(view, board) as shown, closing(plan.run(tasks)) as events:  # pyright: ignore[reportArgumentType]
                for event in events:
                    board.take(event)
                    shown.show(event)
                    if isinstance(event, Finished):
                        results[event.result.name] = event.result
                        if _is_too_many(board.failed, limits):
                            state = "stopped"
                            break
    except KeyboardInterrupt:
        state = "interrupted"
    for one in probes:  # what this run did not come to, an earlier one may have finished
        name = one.clip.name
        earlier = folder.read_result(name) if name not in results else None
        if earlier is not None and earlier.state == "done" and one.has_output:
            results[name] = replace(earlier, was_there=True)
    entries = [Entry(one, results.get(one.clip.name)) for one in probes]
    run = Run(state, plan.jobs, time.monotonic() - clock, started)
    content = write_reports(entries, run, folder)
    if state == "interrupted":
        counts = content["counts"]
        raise Interrupted(
            f"stopped with {counts['done']} of {counts['clips']} clips done; the same command "
            "continues"
        )
    return content


def _problems(probes: Sequence[Probe], folder: BatchFolder) -> dict[str, ClipResult]:
    """Return the clips that have failed before anything is tracked."""
    known: dict[str, ClipResult] = {}
    for one in probes:
        if one.problem is not None:
            name = one.clip.name
            known[name] = ClipResult(name, "failed", one.problem, one.exit_code, worker="preflight")
            folder.write_result(known[name])
    return known


def _tasks(probes: Sequence[Probe], folder: BatchFolder, *, only_failed: bool) -> list[Task]:
    """Make the tasks, the longest first, so that no worker is left with a long one alone."""
    tasks = [
        Task(one.clip.name, one.job, folder, frames_to_track(one))
        for one in probes
        if one.job is not None and (not only_failed or _has_failed(one.clip.name, folder))
    ]
    return sorted(tasks, key=lambda task: -(task.frames or 0))


def _has_failed(name: str, folder: BatchFolder) -> bool:
    earlier = folder.read_result(name)
    return earlier is not None and earlier.state == "failed"


def _is_too_many(failed: int, limits: Limits) -> bool:
    return limits.most_failures is not None and failed >= limits.most_failures
