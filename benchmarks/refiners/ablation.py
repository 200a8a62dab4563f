"""Measure which refiner helps, on what and at which price, for docs/research/refiners-on-nano.md.

    vos train refiner --config nano-refiner --out runs/ablation/pr_mr     # one run per row
    python -m benchmarks.refiners.ablation --runs runs/ablation --images ROOT... --davis ROOT

Every folder in --runs is a row (its refiner.safetensors), after the row without a refiner. A row's
scores are kept in its folder (scores.json) and used again while base and refiner are the same.
Generated images: 300 held-out stills of fine structures. Real images: pairs in the layouts that
`vos eval images` finds, each object of an image of ids on its own, from a tight box and from 5
points, 3 seeds of points; every object counts alike. Video: J and F from the first frame's mask
and from its box. Time: one frame of a tracked generated clip, one object, measured anew each time.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch

from benchmarks.common import disk_box, machine, moving_frames, write_result
from benchmarks.nano import mean_score
from vos.api import Tracker
from vos.loading import load
from vos.model.files.weights import compute_sha256
from vos.model.networks.nano.build import NanoSAM2
from vos.prompts import Box, Points, Prompt
from vos.refine.weights import load_refiner
from vos.train.refiner.evaluate import evaluate_refiner
from vos.train.refiner.trainer import EXPORT
from vos_eval.image_sets import ImageSet, find_sets, read_image, read_label
from vos_eval.images import box_prompt, point_prompts, score_image, score_set

NONE, SCORES = "none", "scores.json"
GENERATED = 300
HALF = 128
POINTS, SEEDS = 5, (0, 1, 2)
TIMED_FRAMES, SIZE_HW = 24, (360, 640)
Pair = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one refiner in percent; those of stills are (mIoU, mBIoU), of video (J, F).

    generated_box: of generated stills, from a box.
    generated_points: the same, from points.
    real_box: of real images, from a box.
    real_points: the same, from points, per seed.
    video_mask: of sequences, from the first mask.
    video_box: the same, from the first box.
    """

    generated_box: Pair
    generated_points: Pair
    real_box: Pair
    real_points: tuple[Pair, ...]
    video_mask: Pair
    video_box: Pair


def score(tracker: Tracker, sets: list[ImageSet], davis: Path) -> Scores:
    generated = evaluate_refiner(tracker.model, tracker.refiner, images=GENERATED)
    return Scores(
        _percent(generated.box.miou, generated.box.mbiou),
        _percent(generated.points.miou, generated.points.mbiou),
        _real(tracker, sets, None),
        tuple(_real(tracker, sets, seed) for seed in SEEDS),
        _percent(*mean_score(tracker, davis, "mask")),
        _percent(*mean_score(tracker, davis, "box")),
    )


def score_or_read(
    name: str, file: Path, tracker: Tracker, sets: list[ImageSet], davis: Path
) -> Scores:
    """`score`, or what `file` holds of an earlier run with the same weights."""
    weights = [tracker.model_info.sha256]
    if name != NONE:
        weights.append(compute_sha256(file.with_name(EXPORT)))
    if file.exists():
        kept = json.loads(file.read_text())
        if kept.pop("weights") == weights:
            return Scores(**kept)
    scores = score(tracker, sets, davis)
    file.write_text(json.dumps({"weights": weights, **asdict(scores)}, indent=1) + "\n")
    return scores


def _percent(first: float, second: float) -> Pair:
    return 100 * float(first), 100 * float(second)


def _real(tracker: Tracker, sets: list[ImageSet], seed: int | None) -> Pair:
    """Score all objects by mIoU and mBIoU; from the box where there is no seed."""
    found = []
    for pair in (pair for one in sets for pair in one.pairs):
        image = tracker.image(read_image(pair.image))
        for label in objects(read_label(pair.label)):
            prompt = prompt_for(label, seed)
            if prompt is not None:
                mask = image.segment([prompt]).masks[1]
                image.forget(1)
                found.append(score_image(pair.name, label, mask))
    mean = score_set("all", found)
    return _percent(mean.miou, mean.mbiou)


def objects(label: np.ndarray) -> list[np.ndarray]:
    """Yield one label per object: an image of ids holds several, a mask of 0 to 255 is one."""
    if label.max() > HALF:
        return [label]
    return [np.where(label == i, 255, 0).astype(np.uint8) for i in np.unique(label) if i]


def prompt_for(label: np.ndarray, seed: int | None) -> Prompt | None:
    """Return the tight box where there is no seed, else points; None where nothing is seen."""
    if seed is None:
        box = box_prompt(label)
        return None if box is None else Box(1, box)
    points = point_prompts(label, POINTS, seed)
    if not len(points):
        return None
    return Points(1, tuple((float(x), float(y)) for x, y in points), (1,) * len(points))


def _milliseconds(tracker: Tracker) -> float:
    """Measure the median time of one tracked frame."""
    session = tracker.session([Box(1, disk_box(SIZE_HW))])
    times = []
    for frame in moving_frames(TIMED_FRAMES, SIZE_HW):
        began = time.perf_counter()
        session.track(frame)
        times.append(1000 * (time.perf_counter() - began))
    return sorted(times)[TIMED_FRAMES // 2]


def _line(name: str, tracker: Tracker, scores: Scores) -> str:
    parameters = 0
    if isinstance(tracker.refiner, torch.nn.Module):
        parameters = sum(p.numel() for p in tracker.refiner.parameters())
    per_seed = np.array(scores.real_points)
    numbers = [
        *scores.generated_box,
        *scores.generated_points,
        *scores.real_box,
        *per_seed.mean(axis=0),
        np.ptp(per_seed[:, 1]),
        *scores.video_mask,
        *scores.video_box,
    ]
    cells = " | ".join(f"{number:.1f}" for number in numbers)
    return f"| {name} | {parameters / 1e6:.3f} | {_milliseconds(tracker):.0f} | {cells} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--images", type=Path, nargs="+", required=True)
    parser.add_argument("--davis", type=Path, required=True)
    parser.add_argument("--model", default="nano")
    args = parser.parse_args()
    tracker = load(args.model, refiner="none")
    # Where a box is answered on a cut-out, no refiner has a part in it.
    cast(NanoSAM2, tracker.model.net).box_zoom = 0.0
    sets = [one for root in args.images for one in find_sets(root)]
    files = sorted(args.runs.glob(f"*/{EXPORT}"))
    lines = [
        "| refiner | parameters, M | ms/frame | gen box mIoU | mBIoU | gen 5 pt mIoU | mBIoU "
        "| real box mIoU | mBIoU | real 5 pt mIoU | mBIoU | spread | mask J | F | box J | F |",
        "|---" * 16 + "|",
    ]
    rows = [(NONE, tracker, args.runs / f"{NONE}.json")]
    for file in files:
        refiner, _ = load_refiner(str(file), tracker.model, tracker.model_info)
        rows.append((file.parent.name, replace(tracker, refiner=refiner), file.with_name(SCORES)))
    for name, refined, kept in rows:
        lines.append(_line(name, refined, score_or_read(name, kept, refined, sets, args.davis)))
        print(lines[-1], flush=True)
    info = tracker.model_info
    count = sum(len(objects(read_label(p.label))) for one in sets for p in one.pairs)
    write_result(
        "ablation.md",
        f"""# Refiners on {info.name}

Base sha256 {info.sha256[:16]}, {info.image_size_px} px. {machine()}
Generated: {GENERATED} held-out stills of fine structures. Real: {count} objects on images never
trained on; "spread" is the highest minus the lowest mBIoU over {len(SEEDS)} seeds of points.
J and F: real sequences, from the first frame's mask and from its box. Percent. Boxes are answered
on the whole frame here, as refiners have no part in answers on a cut-out.
Command: `python -m benchmarks.refiners.ablation --runs RUNS --images ROOT... --davis ROOT`

{chr(10).join(lines)}
""",
        [info.path],
    )


if __name__ == "__main__":
    main()
