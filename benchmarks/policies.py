"""Compare memory policies on drawn clips in which an object is lost, or another is taken for it.

    python -m benchmarks.policies                 # 60 clips; minutes on one core
    python -m benchmarks.policies --clips 6 --policies fifo dam
    python -m benchmarks.policies --state FILE    # the same command again goes on after a stop

A third of the clips each: twins that cross or meet and turn back, an object that passes behind
something wide, one that leaves the frame and comes back (`vos.synth.trials`, fixed seeds). Both the
object and its twin are prompted by their boxes on the first frame. Every image is encoded once
for all policies.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import describe_tracker, list_weights, write_result
from benchmarks.nano import tight_box
from vos.api import Tracker
from vos.loading import find_policy, load
from vos.model.types import ModelPrompt
from vos.policies import POLICIES
from vos.prompts.collect import collect
from vos.synth.clips import Clips
from vos.synth.trials import TRIALS, draw_trials
from vos.track.engine import Engine, encode_frame
from vos.track.inputs import to_inputs, to_model_prompt
from vos.track.memory_bank import MemoryBank
from vos.track.policy import StreamPosition
from vos.track.step import track_frame
from vos_eval.metrics.region import jaccard

PER_BATCH = 1
SWAPPED, LOST = 0.5, 0.1
"""A mask is swapped that overlaps another object by more than the one, its own by less than the
other.
"""
FOUND = 0.5
HIDDEN = 0.5
"""An object is hidden while less of it is seen than this share of its first area."""


@dataclass(slots=True)
class Tally:
    """What one policy did on clips of one kind.

    scores: mean J of each object in each clip, all frames but the first.
    swaps: how often a mask went over to another object.
    recoveries: frames until an object that was hidden was found again, the rest of the clip if it
        never was.
    found: how many were.
    anchored: objects for which a policy had an anchor at the end.
    """

    scores: list[float] = field(default_factory=list)
    swaps: int = 0
    recoveries: list[int] = field(default_factory=list)
    found: int = 0
    anchored: int = 0


def track(
    tracker: Tracker,
    names: Sequence[str],
    frames: Tensor,
    labels: Tensor,
    tallies: dict[str, Tally],
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield every policy's label maps, t x h x w, of a clip."""
    model = tracker.model
    first = labels[0].numpy()
    boxes = [tight_box(i, first == i) for i in (1, 2) if (first == i).any()]
    size_hw = (first.shape[0], first.shape[1])
    prompts: dict[int, ModelPrompt] = {
        object_id: to_model_prompt(prompt, size_hw, model)
        for object_id, prompt in collect(boxes, size_hw, direction="forward")[0].items()
    }
    engines = {
        name: Engine(
            model, tracker.refiner, find_policy(name)(model.memory_slots, model.pointer_span)
        )
        for name in names
    }
    banks: dict[str, dict[int, MemoryBank]] = {name: {} for name in names}
    maps: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for t, image in enumerate(frames):
        network_input, _ = to_inputs(image.permute(1, 2, 0).numpy(), model, tracker.refiner)
        encoded = encode_frame(engines[names[0]], network_input, StreamPosition(t))
        for name, engine in engines.items():
            decoded, banks[name] = track_frame(
                engine, encoded, banks[name], prompts if t == 0 else {}, batch_size=len(prompts)
            )
            logits = torch.cat([one.output_logits for one in decoded.values()])
            logits = torch.nn.functional.interpolate(logits, size_hw, mode="bilinear")[:, 0]
            most, which = logits.max(dim=0)
            ids = torch.tensor(list(decoded))
            maps[name].append(torch.where(most > 0, ids[which], 0).numpy().astype(np.uint8))
    for name in names:
        tallies[name].anchored += sum(bool(bank.anchors) for bank in banks[name].values())
        yield name, np.stack(maps[name])


def score(found: np.ndarray, truth: np.ndarray, tally: Tally) -> None:
    """Add the objects of a clip to a policy's tally."""
    ids = [i for i in (1, 2) if (truth[0] == i).any()]
    for own in ids:
        overlaps = [jaccard(f == own, t == own) for f, t in zip(found, truth, strict=True)]
        tally.scores.append(fmean(overlaps[1:]))
        was_swapped = False
        for f, t, overlap in zip(found, truth, overlaps, strict=True):
            others = (jaccard(f == own, t == other) for other in ids if other != own)
            has_gone = overlap < LOST and max(others, default=0) > SWAPPED
            is_swapped = bool(has_gone and (f == own).any())
            tally.swaps += is_swapped and not was_swapped
            was_swapped = is_swapped
        areas = [(t == own).sum() for t in truth]
        hidden = [t for t, area in enumerate(areas) if area < HIDDEN * areas[0]]
        if not hidden or hidden[-1] + 1 >= len(areas):
            continue
        after = overlaps[hidden[-1] + 1 :]
        again = next((t for t, overlap in enumerate(after) if overlap >= FOUND), None)
        tally.found += again is not None
        tally.recoveries.append(len(after) if again is None else again)


def draw(count: int, frames: int, size: int) -> Iterator[tuple[str, Clips]]:
    """Yield the kind of clips and a few of them, the kinds in turns; a third of `count` each."""
    each = count // len(TRIALS)
    for seed, done in enumerate(range(0, each, PER_BATCH)):
        few = min(each - done, PER_BATCH)
        for kind in TRIALS:
            yield kind, draw_trials(kind, count=few, frames=frames, size=size, seed=seed)


def row(name: str, kind: str, tally: Tally, fifo: Tally) -> str:
    """Return a row of the table."""
    gains = [100 * (a - b) for a, b in zip(tally.scores, fifo.scores, strict=True)]
    error = stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else 0.0
    gain = "" if name == "fifo" else f"{fmean(gains):+.1f} ± {error:.1f}"
    recovered = f"{tally.found}/{len(tally.recoveries)}" if tally.recoveries else "-"
    waited = f"{fmean(tally.recoveries):.1f}" if tally.recoveries else "-"
    return (
        f"| {kind} | {name} | {100 * fmean(tally.scores):.1f} | {gain} | {tally.swaps} | "
        f"{recovered} | {waited} |"
    )


def join(tallies: Sequence[Tally]) -> Tally:
    """Return one tally of all kinds of clips."""
    return Tally(
        scores=[s for one in tallies for s in one.scores],
        swaps=sum(one.swaps for one in tallies),
        recoveries=[r for one in tallies for r in one.recoveries],
        found=sum(one.found for one in tallies),
        anchored=sum(one.anchored for one in tallies),
    )


def read_state(path: Path | None, names: Sequence[str]) -> tuple[int, dict[str, dict[str, Tally]]]:
    """Return how many clips an earlier run did, and its tallies by kind of clips and policy."""
    if path is None or not path.is_file():
        return 0, {kind: {name: Tally() for name in names} for kind in TRIALS}
    saved = json.loads(path.read_text())
    kinds = saved["tallies"]
    if list(kinds[next(iter(TRIALS))]) != list(names):
        sys.exit(f"{path}: of other policies; give the same ones, or another file")
    tallies = {kind: {n: Tally(**one) for n, one in by.items()} for kind, by in kinds.items()}
    return saved["done"], tallies


def write_state(path: Path | None, done: int, tallies: dict[str, dict[str, Tally]]) -> None:
    """Leave what is done for a later run with the same arguments."""
    if path is not None:
        kinds = {kind: {n: asdict(one) for n, one in by.items()} for kind, by in tallies.items()}
        saved = {"done": done, "tallies": kinds}
        part = path.with_suffix(".part")
        part.write_text(json.dumps(saved))
        part.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--size", type=int, default=192, help="side of the clips in pixels")
    parser.add_argument("--policies", nargs="+", default=list(POLICIES), choices=list(POLICIES))
    parser.add_argument("--model", default="nano")
    parser.add_argument(
        "--minutes",
        type=float,
        help="begin no more clips after so long; 0 only writes what --state has",
    )
    parser.add_argument("--state", type=Path, help="file to go on from")
    args = parser.parse_args()
    began = time.monotonic()
    names = list(dict.fromkeys(["fifo", *args.policies]))
    tracker = load(args.model, refiner="none", device="cpu")
    before, tallies = read_state(args.state, names)
    with torch.inference_mode():
        done = 0
        for kind, clips in draw(args.clips, args.frames, args.size):
            if done < before:
                done += len(clips.labels)
                continue
            is_late = args.minutes is not None and time.monotonic() - began > 60 * args.minutes
            if is_late and done and (kind == next(iter(TRIALS)) or not args.minutes):
                break
            done += len(clips.labels)
            for frames, labels in zip(clips.frames, clips.labels, strict=True):
                truth = labels.numpy()
                for name, found in track(tracker, names, frames, labels, tallies[kind]):
                    score(found, truth, tallies[kind][name])
            write_state(args.state, done, tallies)
            means = {name: f"{100 * fmean(one.scores):.1f}" for name, one in tallies[kind].items()}
            print(f"{done} clips; {kind}: {means}")
    rows = [row(n, k, t, tallies[k]["fifo"]) for k in TRIALS for n, t in tallies[k].items()]
    every = {name: join([tallies[kind][name] for kind in TRIALS]) for name in names}
    rows += [row(name, "**all**", tally, every["fifo"]) for name, tally in every.items()]
    objects = ", ".join(f"{len(by['fifo'].scores)} objects {k}" for k, by in tallies.items())
    command = " ".join(["python -m benchmarks.policies", *sys.argv[1:]])
    text = "\n".join(
        [
            "# Memory policies on drawn clips",
            "",
            f"{done} clips ({objects}) of {args.frames} frames at {args.size} px, by "
            f"`{command}`. {describe_tracker(tracker)}",
            "",
            "J: mean over objects, in percent; gain: over `fifo` on the same objects, with its "
            "standard error. swaps: how often a mask went over to the other object. found: of the "
            "objects that were hidden, how many were found again; wait: frames until then, or to "
            "the end of the clip.",
            "",
            "| clips | policy | J | gain | swaps | found | wait |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            *(
                f"`{name}` had anchors for {tally.anchored} of {len(tally.scores)} objects."
                for name, tally in every.items()
                if tally.anchored
            ),
            "",
        ]
    )
    write_result("policies.md", text, list_weights(tracker))


if __name__ == "__main__":
    main()
