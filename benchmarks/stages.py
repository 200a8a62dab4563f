"""Measure what a 1080p frame costs beside the model: reading, resizing, its mask, its overlay.

python -m benchmarks.stages
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.common import machine, write_result
from vos.bench.stages import Stage, measure_stages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--side", type=int, default=1024, help="of the model's input, in pixels")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        stages = measure_stages(args.frames, args.side, Path(name))
    table = "\n".join(map(_row, stages))
    write_result(
        "stages.md",
        f"""# What a 1080p frame costs beside the model

{args.frames} generated noisy frames at 16 Mbit/s, one object. {machine()}
Command: `python -m benchmarks.stages`. The calling thread's own time bounds how fast one worker is.

| stage | threads beside the model's | CPU ms per frame, all threads \
| of these in the calling thread | kB per frame |
|---|---|---|---|---|
{table}
""",
    )


def _row(stage: Stage) -> str:
    kilobytes = "" if stage.kilobytes is None else f"{stage.kilobytes:.1f}"
    return (
        f"| {stage.name} | {stage.where} | {stage.all_threads_ms:.1f} | {stage.own_ms:.1f} "
        f"| {kilobytes} |"
    )


if __name__ == "__main__":
    main()
