"""Measure what correcting clicks do to a tracked frame, and to those that follow.

    python -m benchmarks.corrections --davis ROOT   # ROOT: JPEGImages/<sequence>, Annotations/...

Generated: 100 held-out clips are tracked from their first box; on frame 8 pixels of the larger
error region are clicked, at random or in its middle, each on top of those before, in batches.

Real: each sequence is tracked from its first mask. At a quarter, a half and three quarters of it
the simulated clicker of interactive segmentation (the deepest pixel of the larger error region)
clicks up to three times on the tracked prediction. J on that frame before and after each click, and
mean J of the ten frames that follow, with and without the three clicks.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from benchmarks.common import describe_tracker, list_weights, score_table, write_result
from vos.api import Tracker
from vos.frame import Frame
from vos.io.read.open import open_source
from vos.io.write.mask_png import read_label_png
from vos.loading import load
from vos.prompts import MaskPrompt, Points
from vos.track.engine import Engine, encode_frame
from vos.track.memory_bank import MemoryBank
from vos.track.policy import Fifo, StreamPosition
from vos.track.session import Session
from vos.track.snapshot import SessionState
from vos.track.step import decode_group, find_memories, track_frame
from vos.train.nano.evaluate import held_out, prediction_iou
from vos.train.prompts import sample_correction, sample_prompt
from vos_eval.metrics.clicks import Click, next_click
from vos_eval.metrics.region import jaccard

CLICKS, FOLLOWING = 3, 10
CLIPS, CLICKED = 100, 8
CLICKED_COLUMNS = ("tracked", "1 click", "2 clicks", "3 clicks")
PLACES = (0.25, 0.5, 0.75)


@dataclass(slots=True)
class Tally:
    """J per place.

    clicked: after 0, 1, ... clicks.
    left_alone: of the frames that follow, without a correction.
    corrected: of the frames that follow, with it.
    """

    clicked: list[list[float]] = field(default_factory=list)
    left_alone: list[float] = field(default_factory=list)
    corrected: list[float] = field(default_factory=list)


def correct_sequence(tracker: Tracker, images: Path, labels: Path, tally: Tally) -> None:
    """Track a sequence, and click at each place on a copy of the session."""
    truth = [read_label_png(path) > 0 for path in sorted(labels.glob("*.png"))]
    with open_source(images) as source:
        frames = list(source.frames())
    first = MaskPrompt(1, truth[0])
    session = tracker.session([first])
    places = {int(place * len(frames)) for place in PLACES}
    for t, frame in enumerate(frames):
        if t not in places:
            session.decode(frame)
            continue
        state = session.snapshot()
        mask = _mask(session, frame)
        after = range(t + 1, min(t + 1 + FOLLOWING, len(frames)))
        kept = session.snapshot()
        tally.left_alone.append(_mean_j(session, frames, truth, after))
        session = session.resume(kept, frame.size_hw)
        clicks: list[Click] = []
        scores = [jaccard(truth[t], mask)]
        corrected = session
        for _ in range(CLICKS):
            click = next_click(truth[t], mask, clicks)
            if click is None:
                break
            clicks.append(click)
            points = Points(
                1,
                tuple((float(c.x_px), float(c.y_px)) for c in clicks),
                tuple(int(c.is_positive) for c in clicks),
                frame_idx=t,
            )
            corrected = tracker.session([first, points]).resume(
                SessionState(dict(state.banks), ((t, 1),)), frame.size_hw
            )
            mask = _mask(corrected, frame)
            scores.append(jaccard(truth[t], mask))
        scores += [scores[-1]] * (CLICKS + 1 - len(scores))
        tally.clicked.append(scores)
        tally.corrected.append(_mean_j(corrected, frames, truth, after))
        session = session.resume(kept, frame.size_hw)


def _mask(session: Session, frame: Frame) -> np.ndarray:
    return session.track(frame).masks[1]


def _mean_j(session: Session, frames: list[Frame], truth: list[np.ndarray], span: range) -> float:
    return float(np.mean([jaccard(truth[t], _mask(session, frames[t])) for t in span]))


@torch.inference_mode()
def generated_table(tracker: Tracker) -> str:
    """Make a table of mean J of frame 8 after 0 to 3 clicks."""
    model, engine = tracker.model, Engine(tracker.model, tracker.refiner, Fifo())
    scores = np.zeros(CLICKS + 1)
    for images, masks, generator in held_out(model.device, model.image_size, CLIPS):
        banks: dict[int, MemoryBank] = {}
        for t in range(CLICKED):
            prompts = {1: sample_prompt(masks[:, 0], "box", generator)} if t == 0 else {}
            frame = encode_frame(engine, images[:, t], StreamPosition(t))
            _, banks = track_frame(engine, frame, banks, prompts)
        frame = encode_frame(engine, images[:, CLICKED], StreamPosition(CLICKED))
        truth, prompt = masks[:, CLICKED], None
        for count in range(CLICKS + 1):
            one = find_memories(engine, frame.at, 1, banks[1], prompt)
            (prediction,) = decode_group(engine, frame, [one])
            scores[count] += prediction_iou(prediction.output_logits, truth).sum().item()
            prompt = sample_correction(truth, prediction.output_logits, generator, prompt)
    cells = " | ".join(f"{100 * score / CLIPS:.1f}" for score in scores)
    return f"| {' | '.join(CLICKED_COLUMNS)} |\n{'|---' * 4}|\n| {cells} |"


def table(tracker: Tracker, root: Path) -> str:
    """Make a row per sequence, means over its places, and the mean of the sequences."""
    columns = ("sequence", *CLICKED_COLUMNS, "next ten", "next ten, corrected")
    rows = []
    for labels in sorted((root / "Annotations").iterdir()):
        tally = Tally()
        correct_sequence(tracker, root / "JPEGImages" / labels.name, labels, tally)
        clicked = np.mean(tally.clicked, axis=0)
        row = [*clicked, np.mean(tally.left_alone), np.mean(tally.corrected)]
        rows.append((labels.name, row))
        print(f"{labels.name}: {row[0]:.3f} -> {row[CLICKS]:.3f}", file=sys.stderr, flush=True)
    return score_table(columns, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--davis", type=Path, required=True)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--refiner", default="auto")
    args = parser.parse_args()
    tracker = load(args.model, refiner=args.refiner)
    write_result(
        "corrections.md",
        "# What correcting clicks do\n\n"
        f"J in percent. {describe_tracker(tracker)}\n\n"
        f"## Held-out generated clips\n\n{generated_table(tracker)}\n\n"
        f"## Nine real sequences\n\n{table(tracker, args.davis)}\n",
        list_weights(tracker),
    )


if __name__ == "__main__":
    main()
