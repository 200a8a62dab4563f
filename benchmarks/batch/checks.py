"""What has to hold after the batch: its outputs, its report, and what it left alone."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.batch.footage import BAD, GOOD, Shot
from benchmarks.batch.place import VOS, Place


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
    command = [*VOS, "track", str(shot.source), "-o", str(alone), "-q"]
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
