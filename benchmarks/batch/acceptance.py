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
import os
import signal
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.batch.checks import Checks, check_outputs, check_report, check_rest, content
from benchmarks.batch.disturb import JOBS, Stage, is_over, run_batch
from benchmarks.batch.footage import BAD, GOOD, Shot, make_shots
from benchmarks.batch.place import Place
from benchmarks.common import NANO, NANO_REFINER, machine, write_result


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
