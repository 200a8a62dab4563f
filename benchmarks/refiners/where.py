"""Show where a refiner helps on real images: its gain by how good the base's own mask is.

    python -m benchmarks.refiners.where --images ROOT...    # layouts that `vos eval images` finds

Each object is prompted by its tight box and from 5 points (three seeds), without and with the
refiner, and put into a class by the IoU without it.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.common import describe_tracker, list_weights, write_result
from benchmarks.refiners.ablation import SEEDS, objects, prompt_for
from vos.api import Tracker
from vos.loading import load
from vos.refine.base import NoRefiner
from vos_eval.image_sets import find_sets, read_image, read_label
from vos_eval.images import score_image

CLASSES = ((0.0, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 1.0))


def gains(plain: Tracker, refined: Tracker, roots: list[Path]) -> dict[str, np.ndarray]:
    """Return rows of IoU, boundary IoU without and with the refiner, per kind of prompt."""
    rows: dict[str, list[list[float]]] = {"box": [], "5 points": []}
    for pair in (pair for root in roots for one in find_sets(root) for pair in one.pairs):
        images = [tracker.image(read_image(pair.image)) for tracker in (plain, refined)]
        for label in objects(read_label(pair.label)):
            for seed in (None, *SEEDS):
                prompt = prompt_for(label, seed)
                if prompt is None:
                    continue
                scores = []
                for image in images:
                    score = score_image(pair.name, label, image.segment([prompt]).masks[1])
                    image.forget(1)
                    scores += [score.iou, score.biou]
                rows["box" if seed is None else "5 points"].append(scores)
    return {kind: 100 * np.array(found) for kind, found in rows.items()}


def table(found: dict[str, np.ndarray]) -> str:
    lines = ["| prompt | IoU without | masks | mIoU | mBIoU |", "|---" * 5 + "|"]
    for kind, rows in found.items():
        for low, high in CLASSES:
            some = rows[(rows[:, 0] >= 100 * low) & (rows[:, 0] <= 100 * high)]
            if len(some):
                iou, biou, refined_iou, refined_biou = some.mean(axis=0)
                lines.append(
                    f"| {kind} | {low} to {high} | {len(some)} | {iou:.1f} -> {refined_iou:.1f} "
                    f"| {biou:.1f} -> {refined_biou:.1f} |"
                )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, nargs="+", required=True)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--refiner", default="auto")
    args = parser.parse_args()
    refined = load(args.model, refiner=args.refiner)
    plain = replace(refined, refiner=NoRefiner(), refiner_info=None)
    write_result(
        "refiner_where.md",
        "# Where the refiner helps on real images\n\n"
        f"{describe_tracker(refined)}\n"
        "Command: `python -m benchmarks.refiners.where --images ROOT...`\n\n"
        f"{table(gains(plain, refined, args.images))}\n",
        list_weights(refined),
    )


if __name__ == "__main__":
    main()
