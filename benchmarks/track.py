"""Compare speed and peak memory of our session and the official predictor, on equal terms.

    python -m benchmarks.track                   # tiny at 512 and 1024 px, 1 and 3 objects, fp32

Random weights (cost does not depend on them). Every case is a fresh process; inside it both
programs take turns, so a busy machine slows both alike. Time covers reading the JPEGs and tracking.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.common import (
    disk_box,
    in_fresh_process,
    machine,
    moving_frames,
    peak_rss_mb,
    write_result,
)
from vos.bench.official import official_predictor
from vos.io.read.open import open_source
from vos.model.networks.published import build_sam2
from vos.model.prepare import prepare_network
from vos.model.sam2 import Sam2Model
from vos.prompts import Box
from vos.track.session import Session

TINY = "configs/sam2.1/sam2.1_hiera_t.yaml"
SIZE_HW = (360, 640)


def boxes(objects: int) -> list[tuple[float, float, float, float]]:
    """Return the disk's box, shifted a little per object."""
    x1, y1, x2, y2 = disk_box(SIZE_HW)
    return [(x1 - 8 * i, y1, x2 - 8 * i, y2) for i in range(objects)]


def track_ours(image_size: int, objects: int, folder: Path) -> None:
    torch.manual_seed(0)
    model = Sam2Model(prepare_network(build_sam2(TINY, image_size=image_size), exact=True))
    prompts = [Box(i, box) for i, box in enumerate(boxes(objects), start=1)]
    with open_source(folder) as source:
        for _ in Session(model, prompts).run(source.frames()):
            pass


def track_official(image_size: int, objects: int, folder: Path) -> None:
    torch.manual_seed(0)
    predictor = official_predictor(TINY, image_size)
    state = predictor.init_state(str(folder))
    for object_id, box in enumerate(boxes(objects), start=1):
        predictor.add_new_points_or_box(state, 0, object_id, box=np.array(box, dtype=np.float32))
    for _ in predictor.propagate_in_video(state):
        pass


PROGRAMS: dict[str, Callable[[int, int, Path], None]] = {
    "vos": track_ours,
    "official": track_official,
}


def run_case(who: str, image_size: int, objects: int, frames: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for frame in moving_frames(frames, SIZE_HW):
            Image.fromarray(frame.image).save(folder / f"{frame.name}.jpg", quality=90)
        began, cpu = time.perf_counter(), time.process_time()
        PROGRAMS[who](image_size, objects, folder)
        return {
            "wall_s": time.perf_counter() - began,
            "cpu_s": time.process_time() - cpu,
            "peak_mb": peak_rss_mb(),
        }


def measure(who: str, image_size: int, objects: int, frames: int) -> dict[str, float]:
    """Measure one program in a fresh process."""
    case = (who, image_size, objects, frames)
    return in_fresh_process("track", "--case", *case, is_quiet=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", nargs=4, metavar=("WHO", "SIZE", "OBJECTS", "FRAMES"))
    parser.add_argument("--rounds", type=int, default=2, help="each program this often, in turns")
    parser.add_argument("--frames-512", type=int, default=24)
    parser.add_argument("--frames-1024", type=int, default=10)
    args = parser.parse_args()
    if args.case:
        who, *numbers = args.case
        print(json.dumps(run_case(who, *(int(n) for n in numbers))))
        return
    rows = []
    for image_size, frames in ((512, args.frames_512), (1024, args.frames_1024)):
        for objects in (1, 3):
            best: dict[str, dict[str, float]] = {}
            for _ in range(args.rounds):
                for who in PROGRAMS:
                    found = measure(who, image_size, objects, frames)
                    if who not in best or found["cpu_s"] < best[who]["cpu_s"]:
                        best[who] = found
            ours, theirs = best["vos"], best["official"]
            rows.append(
                f"| {image_size} | {objects} | {frames} "
                f"| {frames / ours['wall_s']:.2f} | {frames / theirs['wall_s']:.2f} "
                f"| **{theirs['cpu_s'] / ours['cpu_s']:.2f}x** "
                f"| {ours['peak_mb']:.0f} | {theirs['peak_mb']:.0f} |"
            )
            print(rows[-1], file=sys.stderr, flush=True)
    table = "\n".join(rows)
    write_result(
        "track.md",
        f"""# Tracking speed and memory against the official predictor

SAM 2.1 tiny, random weights, fp32, CPU, generated {SIZE_HW[1]}x{SIZE_HW[0]} JPEGs, model building
and image reading included. {machine()}
Command: `python -m benchmarks.track --rounds {args.rounds}`. Best of the rounds; the ratio is of
CPU time, which other programs on the machine disturb least.

| px | objects | frames | vos fps | official fps | CPU time, official / vos | vos MB | official MB |
|---|---|---|---|---|---|---|---|
{table}
""",
    )


if __name__ == "__main__":
    main()
