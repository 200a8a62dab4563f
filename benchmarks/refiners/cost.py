"""Measure what each refiner part costs: parameters, GFLOPs, milliseconds, memory.

    python -m benchmarks.refiners.cost                 # nano at 256 px, tiny and large at 1024 px
    python -m benchmarks.refiners.cost --bases nano    # seconds

Random weights (cost does not depend on them), one object, batch 1, fp32. Every row is a fresh
process. "frame" parts run once per frame for all objects, "object" parts once per object.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.common import in_fresh_process, machine, write_result
from vos.model.networks.nano.build import build_nano
from vos.model.networks.nano.config import NanoConfig
from vos.model.networks.published import build_sam2
from vos.model.prepare import prepare_network
from vos.model.sam2 import Sam2Model
from vos.model.types import ModelPrompt
from vos.refine.base import PromptHistory
from vos.refine.registry import build_refiner, load_refiner_config
from vos.refine.sam2refiner.localization_augment import LocalizationAugment, patches2image
from vos.refine.sam2refiner.mask_refinement import MaskRefinement
from vos.refine.sam2refiner.prompt_retargeting import PromptRetargeting

BASES = ("nano", "tiny", "large")
PARTS = (
    "image encoder",
    "LA, four crops",
    "LA, attention",
    "PR",
    "MR, frame",
    "MR, object",
    "SAM-REF, frame",
    "SAM-REF, object",
    "SegNext-style",
)
WARM_UP = 2
CLEAR, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one part costs.

    parameters: of the part.
    gflops: of one run.
    ms: median time of a run.
    peak_mb: see `peak_mb`.
    """

    parameters: int
    gflops: float
    ms: float
    peak_mb: float


def build_base(name: str) -> Sam2Model:
    torch.manual_seed(0)
    if name == "nano":
        return Sam2Model(prepare_network(build_nano(NanoConfig()), exact=True))
    net = build_sam2(f"configs/sam2.1/sam2.1_hiera_{name[0]}.yaml")
    return Sam2Model(prepare_network(net, exact=True))


def find_part(name: str, model: Sam2Model) -> tuple[nn.Module | None, Callable[[], object]]:
    """Return the part's module and one run of it on a random image with one click."""
    size, device = model.image_size, model.device
    features = model.encode_image(torch.randn(1, 3, size, size, device=device))
    click = ModelPrompt(
        points_xy=torch.full((1, 1, 2), size / 2, device=device),
        labels=torch.ones(1, 1, dtype=torch.int32, device=device),
    )
    prompts = PromptHistory(now=click, first=click)

    def refiner(preset: str):
        return build_refiner(load_refiner_config(preset), model)

    def predict():
        return model.decode(model.condition(features, ()), features, click, first=True)

    if name == "image encoder":
        return model.net.image_encoder, lambda: model.encode_image(features.image)
    if name.startswith("LA"):
        la = refiner("la").la
        assert isinstance(la, LocalizationAugment)
        if name == "LA, four crops":
            return None, lambda: model.encode_image(la.crops(features))
        local = patches2image(model.encode_image(la.crops(features)).s16)
        return la, lambda: la.attend(model, features, local)
    if name == "PR":
        pr, prediction = refiner("pr_mr").pr, predict()
        assert isinstance(pr, PromptRetargeting)
        assert prediction.state is not None
        state = prediction.state
        return pr, lambda: pr(state, prediction.raw_logits, prompts, "first_frame", size)
    if name.startswith("MR"):
        mr, prediction = refiner("mr").mr, predict()
        assert isinstance(mr, MaskRefinement)
        assert prediction.state is not None
        if name == "MR, frame":
            return None, lambda: mr.look(features)
        embedding, maps = prediction.state.embedding, mr.look(features)
        coarse = torch.zeros(1, 1, size, size, device=device)
        return mr, lambda: mr(embedding, maps, coarse)
    if name.startswith("SAM-REF"):
        samref, prediction = refiner("samref"), predict()
        if name == "SAM-REF, frame":
            return None, lambda: samref.augment(model, features, 0)
        cache = samref.augment(model, features, 0)
        return samref, lambda: samref.refine(prediction, features, cache, prompts)
    segnext = refiner("segnext")
    cache = segnext.augment(model, features, 0)
    embedding = model.condition(features, ())
    return segnext, lambda: segnext.fuse(embedding, cache, prompts)


def peak_mb(run: Callable[[], object], device: torch.device) -> float:
    """Measure the highest memory while `run` runs, above that before; NaN where unknown."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    try:
        CLEAR.write_text("5")  # resets the high-water mark of resident memory
        before = _resident("VmRSS")
        run()
        return _resident("VmHWM") - before
    except OSError:
        return float("nan")


def _resident(field: str) -> float:
    line = next(x for x in STATUS.read_text().splitlines() if x.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024 / 1e6


@torch.inference_mode()
def measure(base: str, part: str, device: torch.device, repeats: int) -> Cost:
    model = build_base(base)
    model.net.to(device)
    module, run = find_part(part, model)
    memory = peak_mb(run, device)
    with FlopCounterMode(display=False) as counter:
        run()
    times = []
    for _ in range(WARM_UP + repeats):
        began = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(1000 * (time.perf_counter() - began))
    return Cost(
        parameters=0 if module is None else sum(p.numel() for p in module.parameters()),
        gflops=counter.get_total_flops() / 1e9,
        ms=sorted(times[WARM_UP:])[repeats // 2],
        peak_mb=memory,
    )


def measure_cost(base: str, part: str, device: str, repeats: int) -> Cost:
    options = ("--device", device, "--repeats", repeats)
    return Cost(**in_fresh_process("refiners.cost", *options, "--one", base, part))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bases", nargs="+", choices=BASES, default=list(BASES))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", nargs=2, metavar=("BASE", "PART"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        base, part = args.one
        print(json.dumps(asdict(measure(base, part, torch.device(args.device), args.repeats))))
        return
    tables = []
    for base in args.bases:
        rows = []
        for part in PARTS:
            cost = measure_cost(base, part, args.device, args.repeats)
            count = f"{cost.parameters / 1e6:.3f}" if cost.parameters else ""
            rows.append(
                f"| {part} | {count} | {cost.gflops:.2f} | {cost.ms:.1f} | {cost.peak_mb:.0f} |"
            )
            print(base, rows[-1], file=sys.stderr, flush=True)
        tables.append(
            f"## {base} at {build_base(base).image_size} px\n\n"
            "| part | parameters, M | GFLOPs | ms | peak MB |\n|---|---|---|---|---|\n"
            + "\n".join(rows)
        )
    write_result(
        f"refiner-{args.device.partition(':')[0]}.md",
        f"""# Cost of the refiners' parts

Random weights, batch 1, one object with one click, fp32. {machine(args.device)}
Command: `python -m benchmarks.refiners.cost --device {args.device} --repeats {args.repeats}`.
GFLOPs are 2 x multiply-adds of matrix products, convolutions and attention; ms is the median.
Peak MB is the highest memory while the part runs, above what was held before. "frame" parts run
once for all objects, "object" parts per object; MR's and SAM-REF's parameters stand in the object
row. One whole LA is its four crops plus its attention.

{(2 * chr(10)).join(tables)}
""",
    )


if __name__ == "__main__":
    main()
