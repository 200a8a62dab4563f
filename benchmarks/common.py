"""Shared by every benchmark: machine, weights, generated frames, peak memory, a results file."""

from __future__ import annotations

import hashlib
import json
import resource
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from vos.api import Tracker
from vos.bench.session import disk_boxes, moving_frames
from vos.model.registry import EMBEDDED, resolve
from vos.train.machine import describe_machine

__all__ = [
    "NANO",
    "NANO_REFINER",
    "describe_tracker",
    "disk_box",
    "in_fresh_process",
    "list_weights",
    "machine",
    "moving_frames",
    "peak_rss_mb",
    "score_table",
    "weights_line",
    "write_result",
]

RESULTS = Path(__file__).parent / "results"
NANO = resolve(EMBEDDED).path
NANO_REFINER = NANO.with_name("nano-refiner.safetensors")


def machine(device: str = "cpu") -> str:
    """Return one line: the GPU where `device` is one, CPU model, cores, torch, threads, commit."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    threads = torch.get_num_threads()
    here = describe_machine(torch.device(device))
    return f"{here}; torch {torch.__version__}, {threads} threads; commit {commit}"


def describe_tracker(tracker: Tracker) -> str:
    """Return one line: weights, input side, refiner, and the machine."""
    info = tracker.model_info
    return (
        f"{info.name}, sha256 {info.sha256[:16]}, {info.image_size_px} px, refiner "
        f"{tracker.refiner.name}. {machine(tracker.model.device.type)}"
    )


def score_table(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Make a Markdown table: a name and its scores in percent per row, and the mean of the rows."""
    mean = [sum(column) / len(rows) for column in zip(*(scores for _, scores in rows), strict=True)]
    return "\n".join(
        [
            f"| {' | '.join(columns)} |",
            "|---" * len(columns) + "|",
            *(f"| {' | '.join([name, *map(_percent, scores)])} |" for name, scores in rows),
            f"| {' | '.join(f'**{cell}**' for cell in ('mean', *map(_percent, mean)))} |",
        ]
    )


def _percent(score: float) -> str:
    return f"{100 * score:.1f}"


def peak_rss_mb() -> float:
    """Return the highest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_fresh_process(module: str, *args: object, is_quiet: bool = False) -> Any:
    """Return the JSON that `python -m benchmarks.MODULE ARGS` prints.

    In a process of its own, memory is counted from its start.

    is_quiet: drop its stderr.
    """
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *map(str, args)],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if is_quiet else None,
        text=True,
    )
    return json.loads(done.stdout)


def disk_box(size_hw: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the disk's box on frame 0."""
    return disk_boxes(1, size_hw)[0]


def list_weights(tracker: Tracker) -> list[Path]:
    """Return the weight files of a tracker: its model's and its refiner's."""
    info = tracker.refiner_info
    return [tracker.model_info.path, *([] if info is None else [info.path])]


def weights_line(files: Iterable[Path]) -> str:
    """Return the line that says which weights a page was measured with."""
    named = [f"{file.stem} {hashlib.sha256(file.read_bytes()).hexdigest()[:8]}" for file in files]
    return f"Weights: {', '.join(named) or 'none'}"


def write_result(name: str, text: str, weights: Iterable[Path] = ()) -> None:
    """Print a result and keep it in benchmarks/results/, its weights named below the title.

    weights: files of trained weights that the numbers depend on; none for random ones.
    """
    title, _, rest = text.partition("\n")
    text = f"{title}\n\n{weights_line(weights)}\n{rest}"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(text)
    print(text)
