"""Time the embedded model on a CPU by size, shape and arithmetic, and score what that costs.

    python -m benchmarks.nano_speed [--clips 40]

Tracking one object at 360p without a refiner, frames after the first eight, in turns; wall time on
an idle machine. "n32" is a smaller shape of the same architecture (1.8 instead of 4.8 million
parameters) with random weights, whose cost is that of trained ones. int8: the image encoder's
linear layers, weights quantised once, activations as they come. J: from the first frame's box on
the first of the held-out generated clips.
"""

from __future__ import annotations

import argparse
import time
import warnings
from statistics import median

import torch
from torch import nn
from torch.ao.quantization import quantize_dynamic

from benchmarks.common import NANO, disk_box, machine, moving_frames, write_result
from vos.bench.session import STEADY_FRAME
from vos.loading import load
from vos.model.networks.nano.build import build_nano
from vos.model.networks.nano.config import NanoConfig
from vos.model.prepare import prepare_network
from vos.model.sam2 import Sam2Model
from vos.prompts import Box
from vos.track.policy import Fifo
from vos.track.session import Session
from vos.train.nano.evaluate import evaluate

SIZE_HW = (360, 640)
FRAMES = 30
N32 = NanoConfig(
    embed_dim=32,
    stages=(1, 2, 4),
    d_model=96,
    mem_dim=32,
    memory_layers=1,
    memory_slots=4,
    pointer_span=8,
)
KINDS = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.float32}


def build(name: str, kind: str, size_px: int) -> Sam2Model:
    """Build a shape whose image encoder is as `kind` wants it, at an input size."""
    net = build_nano(N32) if name == "n32" else load(name, device="cpu", refiner="none").model.net
    if kind == "int8":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch tells of a successor that is a package more
            quantize_dynamic(net.image_encoder, {nn.Linear}, dtype=torch.qint8, inplace=True)
    net = prepare_network(net, exact=False, image_size_px=size_px)
    return Sam2Model(net, exact=False)


def in_turns(cases: dict[tuple[str, int, str], Sam2Model]) -> dict[tuple[str, int, str], float]:
    """Measure median milliseconds per frame of each case, in turns."""
    sessions = {
        key: Session(
            model,
            [Box(1, disk_box(SIZE_HW))],
            policy=Fifo(model.memory_slots, model.pointer_span),
            dtype=KINDS[key[2]],
            frame_count=FRAMES,
        )
        for key, model in cases.items()
    }
    spent: dict[tuple[str, int, str], list[float]] = {key: [] for key in cases}
    for frame in moving_frames(FRAMES, SIZE_HW):
        for key, session in sessions.items():
            began = time.perf_counter()
            session.track(frame)
            if frame.frame_idx >= STEADY_FRAME:
                spent[key].append(1e3 * (time.perf_counter() - began))
    return {key: median(times) for key, times in spent.items()}


def box_j(model: Sam2Model, kind: str, clips: int) -> float:
    """Return mean J on held-out clips."""
    dtype = KINDS[kind]
    with torch.autocast(model.device.type, dtype, enabled=dtype != torch.float32):
        frames = evaluate(model, size_px=model.image_size, clips=clips)
    return sum(frames) / len(frames)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=40, help="a multiple of 10")
    args = parser.parse_args()
    if args.clips % 10:
        parser.error("--clips: a multiple of 10")
    cases = {
        (name, size, kind): build(name, kind, size)
        for name in ("nano", "n32")
        for size in (256, 384)
        for kind in KINDS
    }
    with torch.inference_mode():
        ms = in_turns(cases)
        rows = []
        for (name, size, kind), model in cases.items():
            j = f"{100 * box_j(model, kind, args.clips):.1f}" if name == "nano" else ""
            time_ms = ms[name, size, kind]
            rows.append(f"| {name} | {size} | {kind} | {time_ms:.1f} | {1e3 / time_ms:.1f} | {j} |")
    text = f"""# The embedded model on a CPU

One object, {SIZE_HW[1]} x {SIZE_HW[0]} video, no refiner, {FRAMES - STEADY_FRAME} frames each, in
turns, median. J: from a box on {args.clips} held-out clips. {machine()}
Command: `python -m benchmarks.nano_speed --clips {args.clips}`

| shape | input px | arithmetic | ms per frame | frames/s | box J |
|---|---|---|---|---|---|
{chr(10).join(rows)}
"""
    write_result("nano_speed.md", text, [NANO])


if __name__ == "__main__":
    main()
