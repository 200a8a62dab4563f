"""The local engine: what one clip does to its worker touches no other clip."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from unit.cli import batch_fakes as fakes
from vos_cli.batch.events import Event, Finished, Progressed, Started
from vos_cli.batch.folder import ClipResult
from vos_cli.batch.local import run_local
from vos_cli.batch.plan import make_plan, threads_each


def results(events: list[Event]) -> dict[str, ClipResult]:
    return {event.result.name: event.result for event in events if isinstance(event, Finished)}


def test_a_dead_worker_costs_one_clip_three_tries(tmp_path: Path):
    tasks = fakes.tasks(tmp_path, "a", "unlucky", "fatal", "b", "c")
    ended = results(list(run_local(tasks, jobs=2, do=fakes.work)))
    assert {name: (one.state, one.attempts) for name, one in ended.items()} == {
        "a": ("done", 1),
        "unlucky": ("done", 2),
        "fatal": ("failed", 3),
        "b": ("done", 1),
        "c": ("done", 1),
    }
    assert "died 3 times (killed by signal 9" in (ended["fatal"].reason or "")
    assert tasks[2].folder.read_result("fatal") == ended["fatal"]


def test_closing_stops_the_workers(tmp_path: Path):
    tasks = fakes.tasks(tmp_path, "a", "b", "c")
    events = run_local(tasks, jobs=2, do=fakes.endless)
    seen = [next(events) for _ in range(4)]
    assert sorted(type(event).__name__ for event in seen) == ["Progressed"] * 2 + ["Started"] * 2
    events.close()  # pyright: ignore[reportAttributeAccessIssue]
    logs = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert logs == ["a.log", "b.log"]
    with tasks[0].folder.locked():  # no worker is left holding the folder
        pass


def test_a_worker_stopped_by_others_is_replaced(tmp_path: Path):
    (task,) = fakes.tasks(tmp_path, "a")
    events = run_local([task], jobs=1, do=fakes.endless)
    started = [next(events), next(events)]
    assert isinstance(started[0], Started)
    assert isinstance(started[1], Progressed)
    (worker,) = workers()
    os.kill(worker, signal.SIGTERM)
    assert isinstance(next(events), Started)  # again
    events.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert workers() == []


def workers() -> list[int]:
    import multiprocessing

    return [child.pid for child in multiprocessing.active_children() if child.pid is not None]


def test_devices_and_threads_are_dealt_out(tmp_path: Path):
    tasks = fakes.tasks(tmp_path, "a", "b")
    events = run_local(tasks, jobs=2, devices=("cuda:0", "cuda:1"), threads=3, do=fakes.threads)
    said = sorted(str(one.reason) for one in results(list(events)).values())
    assert said in (["3 cuda:0", "3 cuda:1"], ["3 cuda:0", "3 cuda:0"], ["3 cuda:1", "3 cuda:1"])


def test_threads_are_divided(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [threads_each(16, jobs) for jobs in (1, 4, 5, 32)] == [16, 4, 3, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert threads_each(16, 4) == 2
    assert make_plan(3, "cpu").jobs == 3
    assert make_plan(None, "cuda:1").threads is None
