"""What stands for the prompt on tracked frames: the first frame's prompt, nothing, or a click.

    python -m benchmarks.prompt_reuse --davis ROOT       # ROOT/JPEGImages, ROOT/Annotations

SAM2Refiner's rule is the first frame's prompt. A mask given as a prompt has no tokens and no disks,
so from a mask the first two are the same; the sequences are tracked from the first frame's box and
from one click at the mask's deepest point.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import get_args

import torch

from benchmarks.common import machine, write_result
from benchmarks.nano import mean_score
from vos.api import Tracker, load
from vos.refine.prompt_reuse import PromptReuse
from vos.refine.sam2refiner import SAM2Refiner

KINDS = ("box", "click")


def with_reuse(tracker: Tracker, reuse: PromptReuse) -> Tracker:
    """The same weights under another rule."""
    refiner = tracker.refiner
    assert isinstance(refiner, SAM2Refiner)
    video = replace(refiner.config.video, prompt_reuse=reuse)
    refiner.config = replace(refiner.config, video=video)
    return tracker


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--davis", type=Path, required=True)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--refiner", default="auto", help="a SAM2Refiner with prompt retargeting")
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tracker = load(args.model, refiner=args.refiner, device=device)
    lines = ["| prompt_reuse | box J | F | click J | F |", "|---" * 5 + "|"]
    for reuse in get_args(PromptReuse):
        used = with_reuse(tracker, reuse)
        scores = [v for kind in KINDS for v in mean_score(used, args.davis, kind)]
        lines.append(f"| {reuse} | " + " | ".join(f"{100 * v:.1f}" for v in scores) + " |")
        print(lines[-1], flush=True)
    info = tracker.model_info
    write_result(
        "prompt_reuse.md",
        f"""# The prompt on tracked frames

{info.name}, sha256 {info.sha256[:16]}, {info.image_size_px} px, refiner {tracker.refiner.name}.
{machine()}
Nine real sequences, percent.
Command: `python -m benchmarks.prompt_reuse --davis ROOT`

{chr(10).join(lines)}
""",
    )


if __name__ == "__main__":
    main()
