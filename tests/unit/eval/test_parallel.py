"""Scoring with several processes: the same digits, and no way to hang or to score in part."""

import os
import signal
import sys
import time
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from vos_eval import parallel
from vos_eval.errors import EvalError
from vos_eval.frame_task import score_task
from vos_eval.helper_process import Helper
from vos_eval.protocols.plan import FramePlan, Labels, Plan, SequencePlan


def save(path, x):
    rows, columns = np.ogrid[:40, :60]
    labels = ((rows - 20) ** 2 + (columns - x) ** 2 < 90).astype(np.uint8)
    labels[5:9, x : x + 7] = 2
    Image.fromarray(labels).save(path)


@pytest.fixture
def plan(tmp_path):
    """Three sequences of unequal length, each frame of its own."""
    sequences = []
    for video, count in (("a", 21), ("b", 3), ("c", 14)):
        frames = []
        for index in range(count):
            gt, pred = (tmp_path / f"{video}{index}{side}.png" for side in ("gt", "pred"))
            save(gt, 10 + index)
            save(pred, 11 + index + index % 3)
            frames.append(FramePlan(f"{index:05d}", gt, pred, (1, 2)))
        sequences.append(SequencePlan(video, tuple(frames), (1, 2), Labels.IDS))
    return Plan(sequences)


@pytest.fixture
def small_tasks(monkeypatch):
    """Helpers start after the first task of two frames, and get their share."""
    monkeypatch.setattr(parallel, "_FRAMES_PER_TASK", 2)
    monkeypatch.setattr(parallel, "_WORTH_A_HELPER_S", 1e-9)


def slow_down(monkeypatch, seconds):
    """Of this process only, so that the helpers have time to do something."""

    def slowly(task):
        time.sleep(seconds)
        return score_task(task)

    monkeypatch.setattr(parallel, "score_task", slowly)


def wait_before_the_second_task(monkeypatch, event):
    """Score the second task of this process only after the event, so that a helper has its turn."""
    scored = []

    def wait(task):
        if scored:
            assert event.wait(30)
        scored.append(task)
        return score_task(task)

    monkeypatch.setattr(parallel, "score_task", wait)


def test_the_digits_do_not_depend_on_the_number_of_processes(plan, monkeypatch, small_tasks):
    alone = parallel.run_plan(plan)
    worked = []
    event = Event()

    class Counted(Helper):
        def receive(self):
            outcomes = super().receive()
            worked.append(self.process.pid)
            event.set()
            return outcomes

    monkeypatch.setattr(parallel, "Helper", Counted)
    for jobs in (2, 3):
        worked.clear()
        event.clear()
        wait_before_the_second_task(monkeypatch, event)
        assert parallel.run_plan(plan, jobs=jobs) == alone
        assert 1 <= len(set(worked)) <= jobs - 1
    assert [len(frames) for frames in alone] == [21, 3, 14]


def test_problems_come_in_order_from_any_process(plan, monkeypatch, small_tasks):
    for index in (3, 12, 20):
        plan.sequences[0].frames[index].pred.write_bytes(b"not a png")
    with pytest.raises(EvalError) as alone:
        parallel.run_plan(plan)
    event = Event()

    class Signalling(Helper):
        def receive(self):
            outcomes = super().receive()
            event.set()
            return outcomes

    monkeypatch.setattr(parallel, "Helper", Signalling)
    wait_before_the_second_task(monkeypatch, event)
    with pytest.raises(EvalError) as several:
        parallel.run_plan(plan, jobs=3)
    assert len(alone.value.problems) == 3
    assert several.value.problems == alone.value.problems


def test_little_work_starts_no_process(plan, monkeypatch):
    def refuse():
        raise AssertionError("a helper was started")

    monkeypatch.setattr(parallel, "Helper", refuse)
    assert parallel.run_plan(plan, jobs=8) == parallel.run_plan(plan)


def test_no_more_processes_than_there_is_work_for(plan, monkeypatch, small_tasks):
    started = []

    class Counted(Helper):
        def __init__(self):
            started.append(1)
            super().__init__()

    monkeypatch.setattr(parallel, "Helper", Counted)
    monkeypatch.setattr(parallel, "_WORTH_A_HELPER_S", 1.0)
    clock_s = 0.0

    def take_time(task):
        nonlocal clock_s
        clock_s += 0.15
        return score_task(task)

    monkeypatch.setattr(parallel, "score_task", take_time)
    monkeypatch.setattr(parallel, "time", SimpleNamespace(perf_counter=lambda: clock_s))
    parallel.run_plan(plan, jobs=16)
    assert len(started) == 2  # after the first of 20 tasks 36 frames are left, worth 2.7 s


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("at", [0, 2])
def test_a_killed_helper_is_an_error(plan, monkeypatch, small_tasks, at):
    """Killed before it is ready, and with a task at hand."""

    class Killed(Helper):
        loads = 0

        def _load(self):
            if self.loads == at:
                os.kill(self.process.pid, signal.SIGKILL)
            self.loads += 1
            return super()._load()

    monkeypatch.setattr(parallel, "Helper", Killed)
    slow_down(monkeypatch, 0.3)
    start = time.monotonic()
    with pytest.raises(EvalError, match="a scoring process died"):
        parallel.run_plan(plan, jobs=2)
    assert time.monotonic() - start < 5, "it goes on only to the end of a task"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_stuck_helper_does_not_hold_up_the_score(plan, monkeypatch, small_tasks):
    alone = parallel.run_plan(plan)
    stopped = []
    event = Event()

    class Stopped(Helper):
        def receive(self):
            os.kill(self.process.pid, signal.SIGSTOP)
            stopped.append(self.process)
            event.set()
            return super().receive()

    monkeypatch.setattr(parallel, "Helper", Stopped)
    wait_before_the_second_task(monkeypatch, event)
    assert parallel.run_plan(plan, jobs=2) == alone
    (process,) = stopped
    assert process.returncode is not None, "it is gone afterwards"


def test_a_bug_in_a_helper_shows_its_traceback(plan, monkeypatch, small_tasks):
    class Confused(Helper):
        def send(self, task):
            super().send("not a task")

    monkeypatch.setattr(parallel, "Helper", Confused)
    slow_down(monkeypatch, 0.3)
    with pytest.raises(RuntimeError, match="AttributeError"):
        parallel.run_plan(plan, jobs=2)


def test_no_process_to_be_had(plan, monkeypatch, small_tasks):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(EvalError, match=r"cannot be started .* smaller --jobs"):
        parallel.run_plan(plan, jobs=2)
