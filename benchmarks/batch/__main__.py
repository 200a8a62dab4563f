"""Measure what `vos batch` costs per clip beside the model, on every engine.

    python -m benchmarks.batch                   # 2,000 clips

One clip of 3 frames of 32x32 pixels is linked under many names and goes through `vos batch` with
the null model: everything is done but the arithmetic. The overhead is all the command's time, from
start to exit, divided by the clips; what one clip alone takes (starting Python, workers and Ray) is
told apart.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np

from benchmarks.common import machine, write_result

ENGINES = {"local": 50, "ray": 100}
"""Targets: ms per clip."""

FRAMES, SIDE_PX = 3, 32


def make_footage(folder: Path, clips: int) -> None:
    folder.mkdir()
    first = folder / "00000.mp4"
    with av.open(str(first), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width = stream.height = SIDE_PX
        stream.pix_fmt = "yuv420p"
        for index in range(FRAMES):
            image = np.full((SIDE_PX, SIDE_PX, 3), 80 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    for number in range(1, clips):
        os.link(first, folder / f"{number:05}.mp4")


def run_batch(engine: str, clips: int, place: Path) -> float:
    """Return the seconds of the whole command. Every clip must be done."""
    footage, out = place / "in", place / "out"
    make_footage(footage, clips)
    command = [
        sys.executable,
        "-m",
        "vos_cli",
        "batch",
        str(footage),
        "-o",
        str(out),
        "-q",
        "--json",
    ]
    command += ["--model", "null", "--device", "cpu", "--save", "masks", "--box", "4,4,20,20"]
    command += ["--jobs", "1", "--engine", engine]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - began
    counts = json.loads(done.stdout)["counts"]
    assert counts["done"] == clips, counts
    shutil.rmtree(footage)
    shutil.rmtree(out)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=2000)
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for engine, target_ms in ENGINES.items():
            start_s = run_batch(engine, 1, Path(name))
            whole_s = run_batch(engine, args.clips, Path(name))
            each_ms = 1000 * whole_s / args.clips
            verdict = "met" if each_ms < target_ms else "missed"
            rows.append(
                f"| {engine} | {whole_s:.0f} | {start_s:.1f} | **{each_ms:.1f}** "
                f"| {target_ms}, {verdict} |"
            )
            print(rows[-1], file=sys.stderr, flush=True)
    table = "\n".join(rows)
    write_result(
        "batch.md",
        f"""# What `vos batch` costs per clip

{args.clips} clips of {FRAMES} frames, {SIDE_PX}x{SIDE_PX}, one file linked under many names; null
model, one worker, masks saved. {machine()}
Command: `python -m benchmarks.batch --clips {args.clips}`. From the command's start to its exit.

| engine | s | of these to start, for one clip | ms per clip | target |
|---|---|---|---|---|
{table}
""",
    )


if __name__ == "__main__":
    main()
