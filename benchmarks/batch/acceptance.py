"""Run `vos batch` on 30 clips, of which five are broken, and kill workers and whole runs.

    python -m benchmarks.batch.acceptance [--real DIR] [--keep DIR]

The run is killed with SIGKILL, started again, loses a worker to SIGKILL, is interrupted with
SIGINT, and started again. At the end 25 outputs must be, byte for byte, those of `vos track` alone
with the same options, five clips must have failed with a reason of one line, nothing may have been
written outside the output, and no process may be left. Every check that fails is named, and the
exit code is 1.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.batch.footage import BAD, GOOD, Shot, make_shots
from benchmarks.common import NANO, NANO_REFINER, machine, write_result

JOBS = 2
_KILL_AT, _LOSE_WORKER_AT, _INTERRUPT_AT = 5, 10, 16
"""Finished clips at which the run is killed, a worker is killed, and the run is interrupted."""

_MARK = "VOS_ACCEPTANCE_RUN"
_PATIENCE_S = 900.0
_VOS = (sys.executable, "-m", "vos_cli")


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one acceptance run.

    root: holds all of them.
    real: real videos to take part, None without.
    watched: where nothing may be written.
    """

    root: Path
    real: Path | None

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def manifest(self) -> Path:
        return self.root / "footage" / "shots.jsonl"

    @property
    def watched(self) -> list[Path]:
        own = [self.root / name for name in ("footage", "here", "home", "tmp")]
        return own if self.real is None else [*own, self.real]

    def environ(self, mark: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VOS_")}
        return kept | {
            _MARK: mark,
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "OMP_NUM_THREADS": "1",  # the last bits of a mask depend on the number of threads
            "VOS_CHECKPOINT_S": "0.5",
        }


class Checks:
    """The checks that were made.

    passed: how many held.
    failed: the names of those that did not.
    """

    def __init__(self) -> None:
        self.passed = 0
        self.failed: list[str] = []

    def that(self, holds: bool, name: str) -> None:
        if holds:
            self.passed += 1
        else:
            self.failed.append(name)
            print(f"FAILED: {name}", file=sys.stderr, flush=True)


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
            command = [*_VOS, "batch", str(place.manifest), "-o", str(place.out)]
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
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(_MARK) == mark:
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


def content(folder: Path) -> dict[str, str]:
    """Return SHA-256 of every file below a folder, by relative path; "folder" for folders."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in sorted(folder.rglob("*"))
    }


def without_source(output: Path) -> dict[str, str]:
    """Return the content of a result without its input's path, which differs from run to run."""
    found = content(output)
    if (path := output / "manifest.json").exists():
        manifest = json.loads(path.read_text())
        del manifest["source"]
        found["manifest.json"] = hashlib.sha256(json.dumps(manifest).encode()).hexdigest()
    return found


def track_alone(place: Place, mark: str, shot: Shot) -> tuple[int, dict[str, str]]:
    """Track with the options of the shot's row; return exit code and output of `vos track`."""
    alone = place.root / "alone" / shot.name
    command = [*_VOS, "track", str(shot.source), "-o", str(alone), "-q"]
    command += ["--model", "nano", "--device", "cpu"]
    for name, value in shot.options.items():
        for one in [value] if isinstance(value, str) else value:
            command += [f"--{name}", one]
    sidecar = shot.source.with_name(f"{shot.source.name}.prompts.json")
    if sidecar.exists():
        command += ["--prompts", str(sidecar)]
    done = subprocess.run(
        command, env=place.environ(mark), cwd=place.root / "here", capture_output=True, check=False
    )
    return done.returncode, without_source(alone) if alone.exists() else {}


def check_outputs(place: Place, shots: Sequence[Shot], mark: str, checks: Checks) -> int:
    """Compare every output with `vos track` alone; return the number of equal files."""
    equal = 0
    report = json.loads((place.out / "report.json").read_text())
    by_name = {clip["name"]: clip for clip in report["clips"]}
    for shot in shots:
        code, alone = track_alone(place, mark, shot)
        clip = by_name[shot.name]
        if shot.fails is not None:
            checks.that(code == clip["exit_code"] != 0, f"{shot.name}: fails alone as in the batch")
            continue
        checks.that(code == 0, f"{shot.name}: can be tracked alone")
        ours = without_source(place.out / "clips" / shot.name)
        checks.that(alone == ours and len(ours) > 2, f"{shot.name}: equals vos track, byte by byte")
        equal += sum(alone.get(name) == digest for name, digest in ours.items())
    return equal


def check_report(place: Place, shots: Sequence[Shot], checks: Checks) -> dict[str, Any]:
    """Compare the report with the disk, and return it."""
    report = json.loads((place.out / "report.json").read_text())
    counts = report["counts"]
    checks.that(report["state"] == "finished", "the report says the run is finished")
    checks.that(
        (counts["clips"], counts["done"], counts["failed"], counts["left"])
        == (GOOD + BAD, GOOD, BAD, 0),
        f"the report counts {GOOD} done and {BAD} failed",
    )
    checks.that(
        [clip["name"] for clip in report["clips"]] == [shot.name for shot in shots],
        "the report has every clip, in the manifest's order",
    )
    for shot, clip in zip(shots, report["clips"], strict=True):
        log = place.out / "logs" / f"{shot.name}.log"
        if shot.fails is not None:
            reason = clip["reason"] or ""
            checks.that(clip["state"] == "failed", f"{shot.name}: failed")
            checks.that(shot.fails in reason, f"{shot.name}: says why: {reason}")
            checks.that(reason.isprintable() and len(reason) < 300, f"{shot.name}: in one line")
            checks.that(not (place.out / "clips" / shot.name).exists(), f"{shot.name}: no output")
            continue
        checks.that(clip["state"] == "done", f"{shot.name}: done")
        checks.that(log.exists(), f"{shot.name}: has a log")
        manifest = json.loads((place.out / clip["output"] / "manifest.json").read_text())
        masks = manifest["files"].get("masks")
        checks.that(clip["frames"] == manifest["frame_count"] == masks, f"{shot.name}: its frames")
        checks.that(
            all(any(map(text.endswith, clip["warnings"])) for text in manifest["warnings"]),
            f"{shot.name}: its warnings",
        )
    cut = next(clip for clip in report["clips"] if clip["name"] == "cut short.mp4")
    checks.that(bool(cut["warnings"]), "the clip that was cut short has a warning")
    logs = "".join(path.read_text() for path in (place.out / "logs").iterdir())
    checks.that("attempt 2" in logs, "the worker that was killed cost its clip one attempt")
    checks.that("continued at frame" in logs, "half-done clips were continued")
    return report


def check_rest(place: Place, checks: Checks) -> None:
    """Check that nothing but the output was written, and that nothing half-done stays in it."""
    top = {path.name for path in place.out.iterdir()}
    visible = {"clips", "logs", "status", "report.html", "report.json"}
    checks.that(
        top == visible | {".batch.lock", ".workers.lock"}, f"OUT holds what it should: {top}"
    )
    hidden = [path.name for path in (place.out / "clips").iterdir() if path.name[0] == "."]
    checks.that(not hidden, f"no part folder is left: {hidden}")


def accept(place: Place) -> str:
    """Run everything and write the result. Raises SystemExit if a check fails."""
    checks, mark = Checks(), uuid.uuid4().hex
    for name in ("here", "home", "tmp", "alone"):
        (place.root / name).mkdir(parents=True)
    shots = make_shots(place.root / "footage", place.real)
    place.manifest.write_text("# 30 clips\n" + "".join(f"{shot.row()}\n" for shot in shots))
    before = [content(folder) for folder in place.watched]
    stages = run_batch(place, mark, checks)
    report = check_report(place, shots, checks)
    check_rest(place, checks)
    after = [content(folder) for folder in place.watched]
    for folder, old, new in zip(place.watched, before, after, strict=True):
        changed = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        checks.that(not changed, f"nothing written to {folder.name}: {changed[:5]}")
    equal = check_outputs(place, shots, mark, checks)
    checks.that(is_over(mark), "no process is left")
    if checks.failed:
        raise SystemExit(f"{len(checks.failed)} checks failed")
    text = _text(report, shots, stages, checks, equal)
    return text.replace(f"{place.root}/", "")


def _text(
    report: dict[str, Any],
    shots: Sequence[Shot],
    stages: Sequence[Stage],
    checks: Checks,
    equal: int,
) -> str:
    frames = sum(clip.get("frames", 0) for clip in report["clips"])
    runs = "\n".join(
        f"| {number} | {stage.how} | {stage.code} | {stage.seconds:.0f} | {stage.finished} |"
        for number, stage in enumerate(stages, start=1)
    )
    by_name = {shot.name: shot for shot in shots}
    failures = "\n".join(
        f"| {by_name[clip['name']].kind} | {clip['exit_code']} | {clip['reason']} |"
        for clip in report["clips"]
        if clip["state"] == "failed"
    )
    real = sum(shot.kind == "real footage" for shot in shots)
    kinds = "; ".join(dict.fromkeys(shot.kind for shot in shots if shot.fails is None))
    command = "python -m benchmarks.batch.acceptance" + (" --real DIR" if real else "")
    return f"""# `vos batch` on clips that break, while runs are killed

{GOOD + BAD} clips in one manifest, {real} of them real videos (40 frames each), {BAD} broken.
`--jobs {JOBS} --model nano`, a checkpoint every half second. {machine()}
Command: `{command}`. All {checks.passed} checks held.

| run | disturbed by | exit code | s | clips finished by then |
|---|---|---|---|---|
{runs}

* {GOOD} outputs, {frames} frames, {equal} files: each byte for byte that of `vos track` alone with
  the same options (masks, overlay, statistics, prompts, manifest but for the input's place).
* Nothing was written beside the output folder; no part folder and no process was left.
* Tracked: {kinds}.

| broken | exit code of `vos track` | reason in the report |
|---|---|---|
{failures}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, help="a folder of mp4 files to track too")
    parser.add_argument("--keep", type=Path, help="a new folder to work in, and to keep")
    args = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's & has it ignored
    # Workers divide the cores, `vos track` alone takes them all: other threads, other last bits.
    os.environ["OMP_NUM_THREADS"] = "1"
    real = None if args.real is None else args.real.absolute()
    weights = [NANO, NANO_REFINER]
    if args.keep is not None:
        write_result("batch_acceptance.md", accept(Place(args.keep.absolute(), real)), weights)
        return
    with tempfile.TemporaryDirectory() as name:
        write_result("batch_acceptance.md", accept(Place(Path(name), real)), weights)


if __name__ == "__main__":
    main()
