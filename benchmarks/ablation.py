"""Which refiner helps, on what, at which price: the ablation table of docs/refiners.md.

    vos train refiner --config nano-refiner --out runs/ablation/pr_mr     # one run per row
    python -m benchmarks.ablation --runs runs/ablation --images ROOT... --davis ROOT

Every folder in --runs is a row (its refiner.safetensors), after the row without a refiner.
Generated images: 300 held-out stills of fine structures. Real images: pairs in the layouts that
`vos eval images` finds, each object of an image of ids on its own, from a tight box and from 5
points, 3 seeds of points. Video: J and F from the first frame's mask. Time: one frame of a tracked
generated clip, one object.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.common import disk_box, machine, moving_frames, write_result
from benchmarks.nano import score_sequence
from vos.api import Tracker, load
from vos.prompts import Box, Points, Prompt
from vos.refine.base import NoRefiner
from vos.refine.file import load_refiner
from vos.train.refiner_eval import evaluate_refiner
from vos_eval.image_sets import ImageSet, find_sets, read_image, read_label
from vos_eval.images import average, box_prompt, point_prompts, score_image, score_set

GENERATED = 300
HALF = 128
POINTS, SEEDS = 5, (0, 1, 2)
TIMED_FRAMES, SIZE_HW = 24, (360, 640)


@dataclass(frozen=True, slots=True)
class Row:
    """Scores are percentages. spread: of the point scores over the seeds, highest minus lowest."""

    name: str
    parameters: int
    ms: float
    generated: Sequence[float]
    real_box: tuple[float, float]
    real_points: tuple[float, float]
    spread: float
    video: tuple[float, float]


def score(name: str, tracker: Tracker, sets: list[ImageSet], davis: Path | None) -> Row:
    refiner = tracker.refiner
    count = 0
    if isinstance(refiner, torch.nn.Module):
        count = sum(p.numel() for p in refiner.parameters())
    generated = evaluate_refiner(tracker.model, refiner, images=GENERATED).flat().values()
    box = _real(tracker, sets, None)
    seeds = [_real(tracker, sets, seed) for seed in SEEDS]
    j, f = _video(tracker, davis) if davis is not None else (float("nan"), float("nan"))
    return Row(
        name,
        count,
        _milliseconds(tracker),
        [100 * value for value in generated],
        box,
        (float(np.mean([s[0] for s in seeds])), float(np.mean([s[1] for s in seeds]))),
        max(s[1] for s in seeds) - min(s[1] for s in seeds),
        (j, f),
    )


def _real(tracker: Tracker, sets: list[ImageSet], seed: int | None) -> tuple[float, float]:
    """mIoU and mBIoU in percent, averaged over the sets; from the box where there is no seed."""
    scores = []
    for one in sets:
        found = []
        for pair in one.pairs:
            image = tracker.image(read_image(pair.image))
            for label in objects(read_label(pair.label)):
                prompt = _prompt(label, seed)
                if prompt is not None:
                    mask = image.segment([prompt]).masks[1]
                    image.forget(1)
                    found.append(score_image(pair.name, label, mask))
        scores.append(score_set(one.name, found))
    mean = average(scores)
    return 100 * mean.miou, 100 * mean.mbiou


def objects(label: np.ndarray) -> list[np.ndarray]:
    """One label per object: an image of ids holds several, a mask of 0 to 255 is one."""
    if label.max() > HALF:
        return [label]
    return [np.where(label == i, 255, 0).astype(np.uint8) for i in np.unique(label) if i]


def _prompt(label: np.ndarray, seed: int | None) -> Prompt | None:
    if seed is None:
        box = box_prompt(label)
        return None if box is None else Box(1, box)
    points = point_prompts(label, POINTS, seed)
    if not len(points):
        return None
    return Points(1, tuple((float(x), float(y)) for x, y in points), (1,) * len(points))


def _video(tracker: Tracker, root: Path) -> tuple[float, float]:
    labels = sorted((root / "Annotations").iterdir())
    pairs = [score_sequence(tracker, root / "JPEGImages" / x.name, x, "mask") for x in labels]
    j, f = np.mean(pairs, axis=0)
    return 100 * float(j), 100 * float(f)


def _milliseconds(tracker: Tracker) -> float:
    """Median time of one tracked frame."""
    session = tracker.session([Box(1, disk_box(SIZE_HW))])
    times = []
    for frame in moving_frames(TIMED_FRAMES, SIZE_HW):
        began = time.perf_counter()
        session.track(frame)
        times.append(1000 * (time.perf_counter() - began))
    return sorted(times)[TIMED_FRAMES // 2]


def _line(row: Row) -> str:
    numbers = [*row.generated, *row.real_box, *row.real_points, row.spread, *row.video]
    cells = " | ".join(f"{number:.1f}" for number in numbers)
    return f"| {row.name} | {row.parameters / 1e6:.3f} | {row.ms:.0f} | {cells} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--images", type=Path, nargs="+", required=True)
    parser.add_argument("--davis", type=Path)
    parser.add_argument("--model", default="nano")
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tracker = load(args.model, refiner="none", device=device)
    sets = [one for root in args.images for one in find_sets(root)]
    files = sorted(args.runs.glob("*/refiner.safetensors"))
    lines = [
        "| refiner | parameters, M | ms/frame | gen box mIoU | mBIoU | gen 5 pt mIoU | mBIoU "
        "| real box mIoU | mBIoU | real 5 pt mIoU | mBIoU | spread | J | F |",
        "|---" * 14 + "|",
    ]
    for name, file in [("none", None), *((path.parent.name, path) for path in files)]:
        refiner = NoRefiner()
        if file is not None:
            refiner, _ = load_refiner(str(file), tracker.model, tracker.model_info)
        lines.append(_line(score(name, replace(tracker, refiner=refiner), sets, args.davis)))
        print(lines[-1], flush=True)
    info = tracker.model_info
    count = sum(len(objects(read_label(p.label))) for one in sets for p in one.pairs)
    write_result(
        "ablation.md",
        f"""# Refiners on {info.name}

Base sha256 {info.sha256[:16]}, {info.image_size_px} px. {machine()}
Generated: {GENERATED} held-out stills of fine structures. Real: {count} objects on images never
trained on; "spread" is the highest minus the lowest mBIoU over {len(SEEDS)} seeds of points.
J and F: real sequences from the first mask. Percent.
Command: `python -m benchmarks.ablation --runs RUNS --images ROOT... --davis ROOT`

{chr(10).join(lines)}
""",
    )


if __name__ == "__main__":
    main()
