"""A whole batch: probe, plan, run on an engine, report."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from vos_cli.batch.board import Board
from vos_cli.batch.engines.events import Finished
from vos_cli.batch.engines.plan import Plan
from vos_cli.batch.engines.worker import Task
from vos_cli.batch.folder import BatchFolder, ClipResult
from vos_cli.batch.on_done import Hook
from vos_cli.batch.preflight import Probe, frames_to_track, refuse_other_settings
from vos_cli.batch.report.report import About, Entry, Run, clip_json, write_reports
from vos_cli.batch.view import open_view
from vos_cli.console.errors import Interrupted


@dataclass(frozen=True, slots=True)
class Limits:
    """Which clips are run, and when to stop.

    only_failed: of what an earlier run tried, only the failures. most_failures: stop at that many;
    None never.
    """

    only_failed: bool = False
    most_failures: int | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a run.

    content: of report.json.
    results: how each clip went that was tried, by name.
    """

    content: dict[str, Any]
    results: Mapping[str, ClipResult] = field(default_factory=dict)


def run_batch(
    probes: Sequence[Probe],
    folder: BatchFolder,
    plan: Plan,
    *,
    limits: Limits,
    view: str,
    about: About | None = None,
    program: tuple[str, ...] | None = None,
    known: Mapping[str, ClipResult] | None = None,
) -> Ended:
    """Track what can be tracked and write the reports, whatever happens.

    about: what the report says of the command.
    program: what is run after each clip, with its arguments.
    known: results of clips that are not tried again.

    Raises OtherOutputError where clips are done with other settings, before anything is written;
    Interrupted on Ctrl-C, after stopping the workers and writing the reports.
    """
    started, clock = time.time(), time.monotonic()
    known = known or {}
    new = [one for one in probes if one.clip.name not in known]
    wanted = [one for one in new if not limits.only_failed or _has_failed(one.clip.name, folder)]
    refuse_other_settings(wanted)
    problems = _problems(new, folder)
    results = {**known, **problems}
    tasks = _tasks(wanted, folder)
    hook = None if program is None else Hook(program)
    by_name = {one.clip.name: one for one in probes}

    def call_hook(result: ClipResult) -> None:
        if hook is not None and not result.was_there:
            entry = Entry(by_name[result.name], result)
            hook.call(clip_json(entry, folder), folder)

    state = "finished"
    failed = sum(result.state == "failed" for result in results.values())
    board = Board({task.name: task.frames or 0 for task in tasks}, failed=failed)
    try:
        for result in problems.values():
            call_hook(result)
        if _is_too_many(failed, limits):
            state = "stopped"
        else:
            with open_view(view, board) as shown, closing(plan.run(tasks)) as events:  # pyright: ignore[reportArgumentType]
                for event in events:
                    board.take(event)
                    shown.show(event)
                    if isinstance(event, Finished):
                        results[event.result.name] = event.result
                        call_hook(event.result)
                        if _is_too_many(board.failed, limits):
                            state = "stopped"
                            break
        if hook is not None:
            hook.wait()
    except KeyboardInterrupt:
        state = "interrupted"
    for name, text in ({} if hook is None else hook.end()).items():
        results[name] = replace(results[name], warnings=(*results[name].warnings, text))
        folder.write_result(results[name])
    for one in probes:  # what this run did not come to, an earlier one may have finished
        name = one.clip.name
        earlier = folder.read_result(name) if name not in results else None
        if earlier is not None and earlier.state == "done" and one.has_output:
            results[name] = replace(earlier, was_there=True)
    entries = [Entry(one, results.get(one.clip.name)) for one in probes]
    run = Run(state, plan.jobs, time.monotonic() - clock, started, about)
    content = write_reports(entries, run, folder)
    if state == "interrupted":
        counts = content["counts"]
        raise Interrupted(
            f"stopped with {counts['done']} of {counts['clips']} clips done; the same command "
            "continues"
        )
    return Ended(content, results)


def _problems(probes: Sequence[Probe], folder: BatchFolder) -> dict[str, ClipResult]:
    """Return the clips that have failed before anything is tracked."""
    known: dict[str, ClipResult] = {}
    for one in probes:
        if one.problem is not None:
            name = one.clip.name
            known[name] = ClipResult(name, "failed", one.problem, one.exit_code, worker="preflight")
            if not _is_done(name, folder):  # what is done stays done
                folder.write_result(known[name])
    return known


def _tasks(probes: Sequence[Probe], folder: BatchFolder) -> list[Task]:
    """Make the tasks, the longest first, so that no worker is left with a long one alone."""
    tasks = [
        Task(one.clip.name, one.job, folder, frames_to_track(one))
        for one in probes
        if one.job is not None
    ]
    return sorted(tasks, key=lambda task: -(task.frames or 0))


def _has_failed(name: str, folder: BatchFolder) -> bool:
    earlier = folder.read_result(name)
    return earlier is not None and earlier.state == "failed"


def _is_done(name: str, folder: BatchFolder) -> bool:
    earlier = folder.read_result(name)
    return earlier is not None and earlier.state == "done" and folder.output(name).is_dir()


def _is_too_many(failed: int, limits: Limits) -> bool:
    return limits.most_failures is not None and failed >= limits.most_failures
