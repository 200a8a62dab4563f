"""Start a batch again and again while it, or one of its workers, is killed or interrupted."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.batch.checks import Checks
from benchmarks.batch.place import MARK, VOS, Place

JOBS = 2
_KILL_AT, _LOSE_WORKER_AT, _INTERRUPT_AT = 5, 10, 16
"""Finished clips at which the run is killed, a worker is killed, and the run is interrupted."""

_PATIENCE_S = 900.0


@dataclass(frozen=True, slots=True)
class Stage:
    """One start of the batch and how it ended.

    how: what was done to it.
    code: its exit code.
    seconds: how long it ran.
    finished: clips that are done after it.
    """

    how: str
    code: int
    seconds: float
    finished: int


def run_batch(place: Place, mark: str, checks: Checks) -> list[Stage]:
    """Start the batch three times in all: killed, interrupted, finished."""
    stages = []

    def stage(how: str, disturb: Callable[[subprocess.Popen[bytes]], None]) -> None:
        began = time.monotonic()
        with (place.root / f"log {len(stages) + 1}.txt").open("wb") as log:
            command = [*VOS, "batch", str(place.manifest), "-o", str(place.out)]
            command += ["--jobs", str(JOBS), "--model", "nano", "--device", "cpu"]
            process = subprocess.Popen(
                [*command, "--progress", "plain"],
                cwd=place.root / "here",
                env=place.environ(mark),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            disturb(process)
            code = process.wait(_PATIENCE_S)
        stages.append(Stage(how, code, time.monotonic() - began, count_finished(place.out)))
        print(stages[-1], file=sys.stderr, flush=True)

    def kill(process: subprocess.Popen[bytes]) -> None:
        wait_until(
            lambda: count_finished(place.out) >= _KILL_AT and is_in_the_middle(place.out), process
        )
        process.kill()

    def lose_a_worker_and_interrupt(process: subprocess.Popen[bytes]) -> None:
        wait_until(
            lambda: count_finished(place.out) >= _LOSE_WORKER_AT and is_in_the_middle(place.out),
            process,
        )
        victim = workers(process.pid)[0]
        victim.kill()
        wait_until(lambda: count_finished(place.out) >= _INTERRUPT_AT, process)
        process.send_signal(signal.SIGINT)

    stage("SIGKILL to the whole run", kill)
    wait_until(lambda: not find_marked(mark))
    checks.that(not (place.out / "report.json").exists(), "a killed run writes no report")
    stage("SIGKILL to a worker, then SIGINT to the run", lose_a_worker_and_interrupt)
    checks.that(stages[-1].code == 130, "an interrupted run exits with 130")
    checks.that(is_over(mark), "an interrupted run leaves no process")
    interrupted = json.loads((place.out / "report.json").read_text())
    checks.that(interrupted["state"] == "interrupted", "its report says so")
    checks.that(interrupted["counts"]["left"] > 0, "its report has clips left")
    stage("left alone", lambda _process: None)
    checks.that(stages[-1].code == 4, "the last run exits with 4, as some clips failed")
    checks.that(is_over(mark), "the last run leaves no process")
    return stages


def count_finished(out: Path) -> int:
    return sum(1 for path in out.glob("clips/*/manifest.json") if path.parent.name[0] != ".")


def is_in_the_middle(out: Path) -> bool:
    """Tell whether a clip is half done and has been saved."""
    return any(
        sum(1 for _ in part.glob("masks/*.png")) >= 8 and any(part.glob(".resume/*"))
        for part in out.glob("clips/.*.part")
    )


def workers(batch: int) -> list[psutil.Process]:
    children = psutil.Process(batch).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def find_marked(mark: str) -> list[int]:
    """List the processes that this acceptance run started, directly or not."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark:
                found.append(process.pid)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def is_over(mark: str) -> bool:
    """Tell whether no process is left; Python's own helpers end a moment after those they help."""
    until = time.monotonic() + 10
    while find_marked(mark) and time.monotonic() < until:
        time.sleep(0.1)
    return not find_marked(mark)


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    until = time.monotonic() + _PATIENCE_S
    while not is_so():
        if process is not None and process.poll() is not None:
            raise SystemExit(f"the batch ended too early, with {process.returncode}")
        if time.monotonic() > until:
            raise SystemExit("waited too long")
        time.sleep(0.05)
