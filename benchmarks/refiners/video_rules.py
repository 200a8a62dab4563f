"""Score the rules of a refiner on video: what stands for the prompt, and what memory sees.

    python -m benchmarks.refiners.video_rules --davis ROOT       # ROOT/JPEGImages, ROOT/Annotations

The same weights under other rules, from the first frame's mask and from its box. A mask given as a
prompt has no tokens and no disks, so from a mask `first_frame` and `none` are the same.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from benchmarks.common import describe_tracker, list_weights, write_result
from benchmarks.nano import mean_score
from vos.api import Tracker
from vos.loading import load
from vos.refine.base import NoRefiner
from vos.refine.memory_gate import MemoryMask
from vos.refine.prompt_reuse import PromptReuse
from vos.refine.registry import build_refiner
from vos.refine.sam2refiner.refiner import SAM2Refiner

KINDS = ("mask", "box")
RULES: tuple[tuple[PromptReuse, MemoryMask], ...] = (
    ("first_frame", "coarse"),
    ("first_frame", "refined"),
    ("none", "coarse"),
    ("self", "coarse"),
)


def under(tracker: Tracker, reuse: PromptReuse, memory: MemoryMask) -> Tracker:
    """Return the same weights under these rules."""
    given = tracker.refiner
    assert isinstance(given, SAM2Refiner)
    video = replace(given.config.video, prompt_reuse=reuse, memory_mask=memory)
    refiner = build_refiner(replace(given.config, video=video), tracker.model)
    refiner.load_state_dict(given.state_dict())
    return replace(tracker, refiner=refiner.eval())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--davis", type=Path, required=True)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--refiner", default="auto", help="a SAM2Refiner")
    args = parser.parse_args()
    tracker = load(args.model, refiner=args.refiner)
    rows = {"no refiner |": replace(tracker, refiner=NoRefiner())}
    rows |= {" | ".join(rule): under(tracker, *rule) for rule in RULES}
    lines = ["| prompt_reuse | memory_mask | mask J | F | box J | F |", "|---" * 6 + "|"]
    for name, one in rows.items():
        scores = [v for kind in KINDS for v in mean_score(one, args.davis, kind)]
        lines.append(f"| {name} | " + " | ".join(f"{100 * v:.1f}" for v in scores) + " |")
        print(lines[-1], flush=True)
    write_result(
        "video_rules.md",
        f"""# A refiner's rules on video

{describe_tracker(tracker)}
Nine real sequences, percent.
Command: `python -m benchmarks.refiners.video_rules --davis ROOT`

{chr(10).join(lines)}
""",
        list_weights(tracker),
    )


if __name__ == "__main__":
    main()
