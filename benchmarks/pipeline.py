"""A whole `vos track` on 1080p footage: does anything but the model set its pace, and its memory?

    python -m benchmarks.pipeline                # nano; --tiny adds SAM 2.1 tiny at 1024 px

Three objects, every default output. Each case is a process of its own: the model is loaded, frames
that are already in memory are tracked without outputs ("model only"), then the clip is tracked as
the command does it. Memory is resident memory of that process.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.common import in_fresh_process, machine, moving_frames, peak_rss_mb, write_result
from benchmarks.stages import SIZE_HW, make_clip
from vos.api import Tracker
from vos.bench import STEADY_FRAME, disk_boxes
from vos.io.output_folder import OutputFolder
from vos.model.build import build_sam2
from vos.prompts import Box
from vos.settings import Settings
from vos_cli.checkpointing import Work
from vos_cli.tracking import Job, load_tracker, run

OBJECTS = 3
CHECKPOINT_S = 5.0
TINY = "configs/sam2.1/sam2.1_hiera_t.yaml"
ALONE_SHARE = 4
"""The model is timed alone on one frame in so many."""


@dataclass(frozen=True, slots=True)
class Case:
    """frames/s of the model alone and of the command; MB once loaded, and at the highest; median
    ms and kB of a checkpoint.
    """

    model_only: float
    command: float
    loaded_mb: float
    peak_mb: float
    save_ms: float
    save_kb: float


def boxes() -> tuple[Box, ...]:
    found = disk_boxes(OBJECTS, SIZE_HW)
    return tuple(Box(i + 1, box) for i, box in enumerate(found))


def measure(model: str, clip: Path, output: Path, frames: int) -> Case:
    settings = Settings(model=model, device="cpu", progress="none", checkpoint_s=CHECKPOINT_S)
    job = Job.checked(
        source=str(clip),
        output=output,
        prompts=boxes(),
        start=None,
        end=None,
        direction="forward",
        settings=settings,
        overwrite=True,
    )
    seen: dict[str, float] = {}

    def load(settings: Settings) -> Tracker:
        tracker = load_tracker(settings)
        assert tracker is not None
        seen["alone"] = alone(tracker, max(8, frames // ALONE_SHARE))
        seen["loaded"] = resident_mb()
        return tracker

    with watched_saves() as saves:
        outcome = run(job, say=quiet, warn=quiet, load=load)
    assert outcome.frames_per_s is not None
    ms, kb = (float(np.median(column)) for column in zip(*saves, strict=True))
    return Case(seen["alone"], outcome.frames_per_s, seen["loaded"], peak_rss_mb(), ms, kb)


@contextmanager
def watched_saves() -> Iterator[list[tuple[float, float]]]:
    """Milliseconds and kB of every checkpoint that is written meanwhile."""
    saves: list[tuple[float, float]] = []
    sizes: list[int] = []
    keep, save = OutputFolder.save, Work._save

    def kept(*args: Any) -> int:
        sizes.append(keep(*args))
        return sizes[-1]

    def timed(work: Work) -> None:
        began = time.monotonic()
        save(work)
        saves.append((1000 * (time.monotonic() - began), sizes[-1] / 1e3))

    with patch.object(OutputFolder, "save", kept), patch.object(Work, "_save", timed):
        yield saves


def alone(tracker: Tracker, frames: int) -> float:
    """Frames/s of the session on pictures in memory."""
    pictures = list(moving_frames(2, SIZE_HW))
    session = tracker.session(list(boxes()))
    moments = []
    for index in range(STEADY_FRAME + frames):
        moments.append(time.monotonic())
        session.track(replace(pictures[index % 2], frame_idx=index))
    return frames / (time.monotonic() - moments[STEADY_FRAME])


def resident_mb() -> float:
    """Resident memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def quiet(_text: str) -> None:
    """Say nothing."""


def case_of(model: str, clip: Path, output: Path, frames: int) -> Case:
    one = ("--one", model, clip, output)
    return Case(**in_fresh_process("pipeline", "--frames", frames, *one))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--tiny", action="store_true", help="24 frames of tiny, random weights")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        model, clip, output = args.one
        print(json.dumps(asdict(measure(model, Path(clip), Path(output), args.frames))))
        return
    rows = []
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        cases = [("nano", "nano", args.frames)]
        if args.tiny:
            file = place / "sam2.1_hiera_tiny.pt"
            torch.save({"model": build_sam2(TINY).state_dict()}, file)
            cases.append(("tiny, 1024 px", str(file), 24))
        for label, model, frames in cases:
            clip = place / f"{frames}.mp4"
            make_clip(clip, frames)
            case = case_of(model, clip, place / f"{frames}-vos", frames)
            rows.append(
                f"| {label} | {frames} | {case.model_only:.2f} | {case.command:.2f} "
                f"| {100 * case.command / case.model_only:.0f} % | {case.loaded_mb:.0f} "
                f"| {case.peak_mb - case.loaded_mb:.0f} | {case.save_ms:.0f} | {case.save_kb:.0f} |"
            )
            print(rows[-1], file=sys.stderr, flush=True)
    write_result(
        "pipeline.md",
        f"""# A whole `vos track` on 1080p footage

{OBJECTS} objects, masks, overlay and stats, generated noisy video, a checkpoint every \
{CHECKPOINT_S:.0f} s. {machine()}
Command: `python -m benchmarks.pipeline{" --tiny" if args.tiny else ""}`

| model | frames | model only, frames/s | command, frames/s | | loaded, MB | peak above that, MB \
| checkpoint, ms | kB |
|---|---|---|---|---|---|---|---|---|
{chr(10).join(rows)}
""",
    )


if __name__ == "__main__":
    main()
