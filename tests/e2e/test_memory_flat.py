"""A very long clip needs no more memory than a short one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MOST_GROWTH_MB = 50
TRACK = """
import os, sys
from pathlib import Path
from small_nano import small_nano
from vos.loading import load
from vos.bench.session import disk_boxes, moving_frames
from vos.prompts import Box
from vos.track.session import Session

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

kind, first, last, size_hw = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), (360, 640)
box = Box(1, disk_boxes(1, size_hw)[0])
session = Session(small_nano(), [box]) if kind == "small" else load("nano").session([box])
highest = 0
for result in session.run(moving_frames(last + 1, size_hw)):
    if result.frame_idx == first:
        settled = resident_mb()
    if result.frame_idx % 100 == 0 or result.frame_idx == last:
        highest = max(highest, resident_mb())
print(highest - settled)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("kind", "first", "last"),
    [
        ("small", 60, 240),
        pytest.param("small", 500, 20_000, marks=pytest.mark.slow),
        pytest.param("nano", 500, 20_000, marks=pytest.mark.slow),
    ],
)
def test_memory_is_flat(kind, first, last, environ):
    """Frames of 360p, drawn one by one."""
    done = subprocess.run(
        [sys.executable, "-c", TRACK, kind, str(first), str(last)],
        capture_output=True,
        text=True,
        env=environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.splitlines()[-1]) < MOST_GROWTH_MB
