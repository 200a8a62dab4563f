"""What only the local engine does; what holds for every engine is in contract/test_engines.py."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from unit.cli.batch import fakes
from vos.errors import ConfigError, UsageError
from vos_cli.batch.engines import plan as plan
from vos_cli.batch.engines.events import Progressed, Started, Stopping
from vos_cli.batch.engines.local import run_local
from vos_cli.batch.engines.plan import LocalPlan, local_plan, parse_devices, threads_each


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


def test_ctrl_c_is_told_of_before_workers_stop(tmp_path: Path):
    tasks = fakes.tasks(tmp_path, "a")
    events = run_local(tasks, jobs=1, do=fakes.endless)
    while not isinstance(next(events), Progressed):
        pass
    assert isinstance(events.throw(KeyboardInterrupt()), Stopping)  # pyright: ignore[reportAttributeAccessIssue]
    assert len(workers()) == 1
    with pytest.raises(KeyboardInterrupt):
        next(events)
    assert workers() == []
    assert tasks[0].folder.log("a").read_text() == "stopped"


def workers() -> list[int]:
    import multiprocessing

    return [child.pid for child in multiprocessing.active_children() if child.pid is not None]


def test_devices_and_threads_are_dealt_out(tmp_path: Path):
    tasks = fakes.tasks(tmp_path, "a", "b")
    events = run_local(tasks, jobs=2, devices=("cuda:0", "cuda:1"), threads=3, do=fakes.threads)
    said = sorted(str(one.reason) for one in fakes.results(events).values())
    assert said in (["3 cuda:0", "3 cuda:1"], ["3 cuda:0", "3 cuda:0"], ["3 cuda:1", "3 cuda:1"])


def test_threads_are_divided(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [threads_each(16, jobs) for jobs in (1, 4, 5, 32)] == [16, 4, 3, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert threads_each(16, 4) == 2
    assert local_plan(3, "cpu").jobs == 3


def test_a_named_gpu_has_to_be_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plan, "gpu_count", lambda: 2)
    assert local_plan(None, "cuda:1") == LocalPlan(1)
    assert local_plan(None, "auto") == LocalPlan(2, ("cuda:0", "cuda:1"))
    with pytest.raises(UsageError, match="sees here: 2"):
        local_plan(None, "cuda:2")


def test_clips_are_shared_out_over_a_list_of_devices(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(plan, "core_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert local_plan(None, "auto", ("cpu", "cpu")) == LocalPlan(2, ("cpu", "cpu"), 4)
    monkeypatch.setattr(plan, "gpu_count", lambda: 2)
    cuda = ("cuda:0", "cuda:1")
    assert local_plan(None, "auto", cuda) == LocalPlan(2, cuda)
    assert local_plan(4, "auto", cuda).jobs == 4
    with pytest.raises(UsageError, match=r"--devices cuda:2: .* sees here: 2"):
        local_plan(None, "auto", ("cuda:0", "cuda:2"))


def test_an_apple_gpu_has_to_be_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plan, "has_mps", lambda: False)
    with pytest.raises(UsageError, match="--device mps: no Apple GPU"):
        local_plan(None, "mps")
    monkeypatch.setattr(plan, "has_mps", lambda: True)
    assert local_plan(None, "mps") == LocalPlan(1)


def test_a_clip_with_a_device_of_its_own_keeps_it(tmp_path: Path):
    own, free = fakes.tasks(tmp_path, "own", "free")
    chosen = replace(own.job.settings, device="cpu")
    own = replace(own, job=replace(own.job, settings=chosen))
    events = run_local([own, free], jobs=1, devices=("cuda:1",), threads=1, do=fakes.threads)
    said = {name: one.reason for name, one in fakes.results(events).items()}
    assert said == {"own": "1 cpu", "free": "1 cuda:1"}


@pytest.mark.parametrize("text", ["", "cuda:0,", "gpu", "auto,cpu", "cuda:x"])
def test_a_wrong_list_of_devices(text: str):
    with pytest.raises((UsageError, ConfigError), match="--devices"):
        parse_devices(text)
