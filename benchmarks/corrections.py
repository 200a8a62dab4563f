"""Measure what correcting clicks do to a tracked frame, and to those that follow.

    python -m benchmarks.corrections --davis ROOT   # ROOT: JPEGImages/<sequence>, Annotations/...

Generated: 100 held-out clips are tracked from their first box; on frame 8 pixels of the larger
error region are clicked, at random or in its middle, each on top of those before, in batches.

Real: each sequence is tracked from its first mask, and from its first box. At a quarter, a half and
three quarters of it the simulated clicker of interactive segmentation (the deepest pixel of the
larger error region) clicks up to three times on the tracked prediction. J on that frame before and
after each click, and mean J of the ten frames that follow: left alone, after one click and after
all, and after the true mask of that frame or, where it is empty, the prompt that the object is not
there, which is as much as any correction of it can do.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from benchmarks.common import describe_tracker, list_weights, score_table, write_result
from benchmarks.nano import first_prompt
from vos.api import Tracker
from vos.frame import Frame
from vos.io.read.open import open_source
from vos.io.write.mask_png import read_label_png
from vos.loading import load
from vos.prompts import Absent, MaskPrompt, Points, Prompt
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
AFTER_COLUMNS = ("next ten", "after 1 click", "after 3 clicks", "after the true mask")
PLACES = (0.25, 0.5, 0.75)


@dataclass(slots=True)
class Tally:
    """J per place.

    clicked: of the frame itself, after 0, 1, ... clicks.
    after: of the frames that follow, as in `AFTER_COLUMNS`.
    """

    clicked: list[list[float]] = field(default_factory=list)
    after: list[list[float]] = field(default_factory=list)


def correct_sequence(
    tracker: Tracker, images: Path, labels: Path, start: str, tally: Tally
) -> None:
    """Track a sequence from its first mask or box, and correct each place on a copy of the session.

    start: "mask" or "box".
    """
    truth = [read_label_png(path) > 0 for path in sorted(labels.glob("*.png"))]
    with open_source(images) as source:
        frames = list(source.frames())
    first = first_prompt(truth[0], start)
    session = tracker.session([first])
    places = {int(place * len(frames)) for place in PLACES}
    for t, frame in enumerate(frames):
        if t not in places:
            session.decode(frame)
            continue
        state = session.snapshot()
        mask = _mask(session, frame)
        kept = session.snapshot()
        clicked = _click(tracker, first, state, frame, truth[t], mask)
        masks = [mask, *(answer for answer, _ in clicked)]
        scores = [jaccard(truth[t], one) for one in masks]
        tally.clicked.append(scores + scores[-1:] * (CLICKS + 1 - len(scores)))
        is_seen = truth[t].any()
        right = MaskPrompt(1, truth[t], frame_idx=t) if is_seen else Absent(1, frame_idx=t)
        given = _resume(tracker, [first, right], state, frame)
        given.decode(frame)
        after = range(t + 1, min(t + 1 + FOLLOWING, len(frames)))
        alone = _mean_j(session, frames, truth, after)
        by_clicks = [_mean_j(one, frames, truth, after) for _, one in clicked] or [alone]
        true = _mean_j(given, frames, truth, after)
        tally.after.append([alone, by_clicks[0], by_clicks[-1], true])
        session = session.resume(kept, frame.size_hw)


def _click(
    tracker: Tracker,
    first: Prompt,
    state: SessionState,
    frame: Frame,
    truth: np.ndarray,
    mask: np.ndarray,
) -> list[tuple[np.ndarray, Session]]:
    """Return the mask after each click, and the session; fewer where nothing is wrong."""
    clicks: list[Click] = []
    answers: list[tuple[np.ndarray, Session]] = []
    for _ in range(CLICKS):
        click = next_click(truth, mask, clicks)
        if click is None:
            break
        clicks.append(click)
        points = Points(
            1,
            tuple((float(c.x_px), float(c.y_px)) for c in clicks),
            tuple(int(c.is_positive) for c in clicks),
            frame_idx=frame.frame_idx,
        )
        session = _resume(tracker, [first, points], state, frame)
        mask = _mask(session, frame)
        answers.append((mask, session))
    return answers


def _resume(tracker: Tracker, prompts: list[Prompt], state: SessionState, frame: Frame) -> Session:
    """Return a session that has tracked up to this frame and has a prompt on it."""
    given = ((frame.frame_idx, 1),)
    return tracker.session(prompts).resume(SessionState(dict(state.banks), given), frame.size_hw)


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


def table(tracker: Tracker, root: Path, start: str) -> str:
    """Make a row per sequence, means over its places, and the mean of the sequences.

    start: as in `correct_sequence`.
    """
    columns = ("sequence", *CLICKED_COLUMNS, *AFTER_COLUMNS)
    rows = []
    for labels in sorted((root / "Annotations").iterdir()):
        tally = Tally()
        correct_sequence(tracker, root / "JPEGImages" / labels.name, labels, start, tally)
        clicked = np.mean(tally.clicked, axis=0)
        row = [*clicked, *np.mean(tally.after, axis=0)]
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
        f"## Real sequences from their first mask\n\n{table(tracker, args.davis, 'mask')}\n\n"
        f"## Real sequences from their first box\n\n{table(tracker, args.davis, 'box')}\n",
        list_weights(tracker),
    )


if __name__ == "__main__":
    main()
