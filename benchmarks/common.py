"""What every benchmark needs: the machine it ran on, generated frames, peak memory, a results
file.
"""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from vos.bench import disk_boxes, moving_frames

__all__ = [
    "disk_box",
    "in_fresh_process",
    "machine",
    "moving_frames",
    "peak_rss_mb",
    "write_result",
]

RESULTS = Path(__file__).parent / "results"


def machine() -> str:
    """One line: CPU model, cores, torch, threads, commit."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        cpu = f"{names[0].partition(':')[2].strip()}, {len(names)} cores"
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return f"{cpu}; torch {torch.__version__}, {torch.get_num_threads()} threads; commit {commit}"


def peak_rss_mb() -> float:
    """Highest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_fresh_process(module: str, *args: object, is_quiet: bool = False) -> Any:
    """The JSON that `python -m benchmarks.MODULE ARGS` prints: memory is counted from its start.

    is_quiet: drop what it says on stderr.
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
    """The disk's box on frame 0."""
    return disk_boxes(1, size_hw)[0]


def write_result(name: str, text: str) -> None:
    """Print a result and keep it in benchmarks/results/."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(text)
    print(text)
