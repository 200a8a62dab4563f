"""Peak memory against clip length, ours and the official predictor's, on generated 360p video.

    python -m benchmarks.memory                  # 500 and 20,000 frames; official 500 and 1,100
    python -m benchmarks.memory --device cuda    # ours alone, and the device's memory

Each run is its own process, so peaks do not mix. Our frames are drawn on the fly, as a decoder
would deliver them; the official predictor needs a JPEG folder and loads it whole.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sam2.sam2_video_predictor import SAM2VideoPredictor

from benchmarks.common import (
    NANO,
    NANO_REFINER,
    disk_box,
    in_fresh_process,
    machine,
    moving_frames,
    peak_rss_mb,
    write_result,
)
from vos.loading import load
from vos.model.networks.nano.build import NanoSAM2
from vos.prompts import Box

SIZE_HW = (360, 640)
SETTLED_FRAME = 20
MOST_GROWTH_MB = 50


class OfficialNano(NanoSAM2, SAM2VideoPredictor):
    """A predictor that runs nano's modules in the official predictor's loop."""


def run_ours(frames: int, device: str = "cpu") -> dict[str, float]:
    """Track `frames` frames; return peak memory and session state after frame 20 and at the end."""
    session = load("nano", device=device).session([Box(1, disk_box(SIZE_HW))])
    settled, last = 0, 0
    for result in session.run(moving_frames(frames, SIZE_HW)):
        last = session.state_bytes()
        if result.frame_idx == SETTLED_FRAME:
            settled = last
    return {
        "peak_mb": peak_rss_mb(),
        "device_mb": torch.cuda.max_memory_reserved() / 1e6 if device == "cuda" else 0,
        "state_settled_b": settled,
        "state_end_b": last,
    }


def run_official(frames: int) -> dict[str, float]:
    """Track the same clip with the same weights through `SAM2VideoPredictor`."""
    net: Any = load("nano", device="cpu").model.net
    net.__class__ = OfficialNano  # same parts and weights, the official methods on top
    neck = net.get_submodule("image_encoder.neck")
    neck.position_encoding = neck.get_submodule("position_encoding.sine")
    net.fill_hole_area = 0
    net.non_overlap_masks = False
    net.clear_non_cond_mem_around_input = False
    net.add_all_frames_to_correct_as_cond = False
    with tempfile.TemporaryDirectory() as folder:
        for frame in moving_frames(frames, SIZE_HW):
            Image.fromarray(frame.image).save(Path(folder) / f"{frame.name}.jpg", quality=90)
        state = net.init_state(folder)
        box = np.array(disk_box(SIZE_HW), dtype=np.float32)
        net.add_new_points_or_box(state, 0, 1, box=box)
        for _ in net.propagate_in_video(state):
            pass
    return {"peak_mb": peak_rss_mb()}


def measure(who: str, frames: int, device: str = "cpu") -> dict[str, float]:
    """Run one case in a fresh process."""
    options = ("--case", who, frames, "--device", device)
    return in_fresh_process("memory", *options, is_quiet=True)


def on_the_gpu(short_frames: int, long_frames: int) -> None:
    """Return the rows of a CUDA device."""
    short, long = measure("ours", short_frames, "cuda"), measure("ours", long_frames, "cuda")
    rows = [
        f"| {frames} | {case['peak_mb']:.0f} | {case['device_mb']:.0f} |"
        for frames, case in ((short_frames, short), (long_frames, long))
    ]
    growth = [long[key] - short[key] for key in ("peak_mb", "device_mb")]
    write_result(
        "memory_gpu.md",
        f"""# Memory against clip length, on a GPU

nano at 256 px, one object, generated {SIZE_HW[1]}x{SIZE_HW[0]} video. \
{machine("cuda")}
Command: `python -m benchmarks.memory --device cuda`. Device memory is what torch has reserved.

| frames | peak RSS, MB | peak device memory, MB |
|---|---|---|
{chr(10).join(rows)}

Growth: RSS {growth[0]:.1f} MB, device {growth[1]:.1f} MB (target: under {MOST_GROWTH_MB} MB).
""",
        [NANO, NANO_REFINER],
    )


def _row(frames: int, case: dict[str, float]) -> str:
    settled, end = case["state_settled_b"], case["state_end_b"]
    return f"| {frames} | {case['peak_mb']:.0f} MB | {settled:,} B | {end:,} B |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", nargs=2, metavar=("WHO", "FRAMES"))
    parser.add_argument("--short", type=int, default=500)
    parser.add_argument("--long", type=int, default=20_000)
    parser.add_argument("--official-long", type=int, default=1100)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    args = parser.parse_args()
    if args.case:
        who, frames = args.case[0], int(args.case[1])
        with torch.inference_mode():
            case = run_ours(frames, args.device) if who == "ours" else run_official(frames)
        print(json.dumps(case))
        return
    if args.device == "cuda":
        on_the_gpu(args.short, args.long)
        return
    short, long = measure("ours", args.short), measure("ours", args.long)
    theirs = [measure("official", n) for n in (args.short, args.official_long)]
    slope = (theirs[1]["peak_mb"] - theirs[0]["peak_mb"]) / (args.official_long - args.short)
    growth = long["peak_mb"] - short["peak_mb"]
    write_result(
        "memory.md",
        f"""# Memory against clip length

nano at 256 px, one object, generated {SIZE_HW[1]}x{SIZE_HW[0]} video, CPU. {machine()}
Command: `python -m benchmarks.memory`

| frames | peak RSS, vos | session state at frame {SETTLED_FRAME} | at the end |
|---|---|---|---|
{_row(args.short, short)}
{_row(args.long, long)}

Growth from {args.short} to {args.long} frames: {growth:.1f} MB (target: under {MOST_GROWTH_MB} MB).

| frames | peak RSS, official `SAM2VideoPredictor`, same weights |
|---|---|
| {args.short} | {theirs[0]["peak_mb"]:.0f} MB |
| {args.official_long} | {theirs[1]["peak_mb"]:.0f} MB |

That is {slope:.2f} MB per frame; at {args.long} frames it extrapolates to \
{theirs[0]["peak_mb"] + slope * (args.long - args.short):,.0f} MB (not run).
""",
        [NANO, NANO_REFINER],
    )


if __name__ == "__main__":
    main()
