"""What every benchmark needs: the machine it ran on, generated frames, peak memory, a results
file.
"""

from __future__ import annotations

import platform
import resource
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from vos.frame import Frame

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


def moving_frames(count: int, size_hw: tuple[int, int], seed: int = 0) -> Iterator[Frame]:
    """A bright disk circling over a fixed texture, drawn one frame at a time."""
    height, width = size_hw
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 160, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    texture = coarse.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    rows, columns = np.mgrid[:height, :width]
    for index in range(count):
        y, x = disk_centre(index, size_hw)
        image = texture.copy()
        image[(rows - y) ** 2 + (columns - x) ** 2 <= (height // 6) ** 2] = (240, 200, 40)
        yield Frame(image, Fraction(index, 30), index, f"{index:05d}")


def disk_centre(index: int, size_hw: tuple[int, int]) -> tuple[float, float]:
    """Row and column of the disk's centre."""
    height, width = size_hw
    angle = index / 20
    return height * (0.5 + 0.2 * np.sin(angle)), width * (0.5 + 0.25 * np.cos(angle))


def disk_box(size_hw: tuple[int, int]) -> tuple[float, float, float, float]:
    """The disk's box on frame 0."""
    y, x = disk_centre(0, size_hw)
    radius = size_hw[0] // 6
    return x - radius, y - radius, x + radius, y + radius


def write_result(name: str, text: str) -> None:
    """Print a result and keep it in benchmarks/results/."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(text)
    print(text)
