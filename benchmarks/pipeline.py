"""Run a whole `vos track` on 1080p footage: does anything but the model set pace and memory?

    python -m benchmarks.pipeline                # nano; --models tiny large adds SAM 2.1's
    python -m benchmarks.pipeline --device cuda --models tiny small base-plus large

Three objects, every default output. Each case is a process of its own: the model is loaded, frames
that are already in memory, at the model's size too, are tracked without outputs ("model only"),
then the clip is tracked as the command does it. Weights of SAM 2.1 are random. Memory is resident
memory of that process.
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

from benchmarks.common import (
    NANO,
    NANO_REFINER,
    in_fresh_process,
    machine,
    moving_frames,
    peak_rss_mb,
    write_result,
)
from vos.api import Tracker
from vos.bench.session import COMPILED_FRAME, STEADY_FRAME, disk_boxes
from vos.bench.stages import SIZE_HW, make_clip
from vos.io.queues import one_ahead
from vos.io.results.folder import OutputFolder
from vos.model import registry
from vos.model.gpu.transfer import Uploader
from vos.model.networks.published import build_sam2
from vos.prompts import Box
from vos.settings import Settings
from vos.track.look_ahead import prepare, with_following
from vos_cli.job.job import Job
from vos_cli.job.resumable import ResumableRun
from vos_cli.job.run import load_tracker, run

OBJECTS = 3
CHECKPOINT_S = 5.0
FRAMES = {"cpu": 24, "cuda": 400}
"""Of a case with a model of SAM 2.1."""
ON_A_CPU = """\
On a CPU everything shares the cores. What is beside the model (`stages.md`) is then not
hidden: a model as small as nano cannot keep its speed on two cores. For tiny at 1024 px it is
nothing, and what is above 100 % is noise.
"""
ALONE_SHARE = 4
"""The model is timed alone on one frame in so many."""


@dataclass(frozen=True, slots=True)
class Case:
    """One model on one clip.

    model_only: frames/s of the model alone.
    command: frames/s of the command.
    loaded_mb: memory once loaded.
    peak_mb: memory at its highest.
    save_ms: median time of a checkpoint.
    save_kb: median size of a checkpoint.
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


def measure(model: str, clip: Path, output: Path, frames: int, device: str) -> Case:
    settings = Settings(model=model, device=device, progress="none", checkpoint_s=CHECKPOINT_S)
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

    with time_saves() as saves:
        outcome = run(job, say=ignore, warn=ignore, load=load)
    assert outcome.frames_per_s is not None
    # A few frames are done before the first checkpoint is due.
    ms, kb = (float(np.median(column)) for column in zip(*saves or [(0, 0)], strict=True))
    return Case(seen["alone"], outcome.frames_per_s, seen["loaded"], peak_rss_mb(), ms, kb)


@contextmanager
def time_saves() -> Iterator[list[tuple[float, float]]]:
    """Measure milliseconds and kB of every checkpoint that is written meanwhile."""
    saves: list[tuple[float, float]] = []
    sizes: list[int] = []
    keep, save = OutputFolder.save, ResumableRun._save

    def kept(*args: Any) -> int:
        sizes.append(keep(*args))
        return sizes[-1]

    def time_save(work: ResumableRun) -> None:
        began = time.monotonic()
        save(work)
        saves.append((1000 * (time.monotonic() - began), sizes[-1] / 1e3))

    with patch.object(OutputFolder, "save", kept), patch.object(ResumableRun, "_save", time_save):
        yield saves


def alone(tracker: Tracker, frames: int) -> float:
    """Return frames/s of the session on images in memory."""
    upload = Uploader(tracker.model.device)
    images = [prepare(frame, tracker.model, upload) for frame in moving_frames(2, SIZE_HW)]
    session = tracker.session(list(boxes()))
    first = COMPILED_FRAME if tracker.model.fast_path is not None else STEADY_FRAME
    stream = (
        (replace(images[index % 2], frame_idx=index), None) for index in range(first + frames)
    )
    begun = (
        session.begin(frame, following)
        for frame, _, following in with_following(stream, session.look_ahead)
    )
    began = 0.0
    for composing in one_ahead(begun):
        if composing.wait().frame_idx == first - 1:
            began = time.monotonic()
    return frames / (time.monotonic() - began)


def resident_mb() -> float:
    """Return the resident memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def ignore(_text: str) -> None:
    """Print nothing."""


def measure_case(model: str, clip: Path, output: Path, frames: int, device: str) -> Case:
    one = ("--one", model, clip, output)
    return Case(**in_fresh_process("pipeline", "--frames", frames, "--device", device, *one))


def random_weights(name: str, place: Path) -> Path:
    """Write a weight file of SAM 2.1 of this size."""
    entry = registry.get(f"sam2.1-{name}")
    assert entry.config is not None
    file = place / f"{name}.pt"
    torch.save({"model": build_sam2(entry.config).state_dict()}, file)
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--models", nargs="*", default=[], help="of SAM 2.1: tiny, small, ...")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--sam2-frames", type=int, help="of a case with a model of SAM 2.1")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        model, clip, output = args.one
        case = measure(model, Path(clip), Path(output), args.frames, args.device)
        print(json.dumps(asdict(case)))
        return
    sam2_frames = args.sam2_frames or FRAMES[args.device]
    rows = []
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        cases = [("nano", "nano", args.frames)]
        for model in args.models:
            file = random_weights(model, place)
            cases.append((f"{model}, 1024 px", str(file), sam2_frames))
        for label, model, frames in cases:
            clip = place / f"{frames}.mp4"
            if not clip.exists():
                make_clip(clip, frames)
            case = measure_case(model, clip, place / "out", frames, args.device)
            rows.append(
                f"| {label} | {frames} | {case.model_only:.2f} | {case.command:.2f} "
                f"| {100 * case.command / case.model_only:.0f} % | {case.loaded_mb:.0f} "
                f"| {case.peak_mb - case.loaded_mb:.0f} | {case.save_ms:.0f} | {case.save_kb:.0f} |"
            )
            print(rows[-1], file=sys.stderr, flush=True)
    options = f" --models {' '.join(args.models)}" if args.models else ""
    on_gpu = args.device == "cuda"
    write_result(
        "pipeline_gpu.md" if on_gpu else "pipeline.md",
        f"""# A whole `vos track` on 1080p footage

{OBJECTS} objects, masks, overlay and stats, generated noisy video, a checkpoint every \
{CHECKPOINT_S:.0f} s. {machine(args.device)}
Command: `python -m benchmarks.pipeline{" --device cuda" if on_gpu else ""}{options}`
Target: the command keeps 95 % of the model's own speed.

| model | frames | model only, frames/s | command, frames/s | | loaded, MB | peak above that, MB \
| checkpoint, ms | kB |
|---|---|---|---|---|---|---|---|---|
{chr(10).join(rows)}

{"" if on_gpu else ON_A_CPU}""",
        [NANO, NANO_REFINER],
    )


if __name__ == "__main__":
    main()
