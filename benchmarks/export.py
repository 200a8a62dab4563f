"""Measure what an export costs beside its encoder: 1080p, three objects, every format.

    python -m benchmarks.export                    # all formats, some minutes
    python -m benchmarks.export prores4444 vp9     # some

"alone" is the same encode with nothing around it: for movies FFmpeg's encoder, given frames that
are ready in its own pixel format, one movie after the other; for other formats their writer, given
frames and masks that are in memory. CPU time is what is compared: others use such machines too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np

from benchmarks.common import machine, write_result
from vos.bench.stages import make_clip
from vos.errors import VosError
from vos.frame import Frame, FrameResult
from vos.io.results.fingerprint import fingerprint_input
from vos.io.results.folder import OutputFolder
from vos.io.results.layout import MASKS_NAME, PROMPTS_NAME
from vos.io.results.manifest import Fingerprint
from vos.io.write.deliver.export import export
from vos.io.write.deliver.finished import FinishedResult, frames_with_images, open_finished
from vos.io.write.deliver.format import ShotFrame
from vos.io.write.deliver.movies.frames import convert_colours, convert_matte, lay_matte
from vos.io.write.deliver.movies.write import CODECS, MovieCodec, open_encoder
from vos.io.write.deliver.order import ExportPlan, Order, plan_export
from vos.io.write.deliver.registry import FORMATS
from vos.io.write.masks import MaskSink

SIZE_HW = (1080, 1920)
OBJECTS = (1, 2, 3)
FRAMES = 64
READY = 8
BIT_RATE = 12_000_000
CORES = 2
_PER_FRAME = [one.name for one in FORMATS.values() if one.is_movie or one.is_numbered]


@dataclass(frozen=True, slots=True)
class Cost:
    """What some work took per frame of the clip, all objects together.

    wall_ms: by the clock.
    cpu_ms: of all threads.
    """

    wall_ms: float
    cpu_ms: float


def write_footage(folder: Path, frames: int) -> Path:
    """Write a clip and what `vos track` leaves of it: three disks that move."""
    clip, place = folder / "clip.mp4", folder / "result"
    make_clip(clip, frames, SIZE_HW, BIT_RATE)
    prompts = [{"object_id": one, "frame_idx": 0} for one in OBJECTS]
    parameters = {"prompts": prompts, "save": ["masks"]}
    fingerprint = Fingerprint(fingerprint_input(clip), parameters, None)
    with OutputFolder.open(place, fingerprint, source=clip) as output:
        output.restart()
        with MaskSink(output.part / MASKS_NAME) as masks:
            image = np.zeros((*SIZE_HW, 3), np.uint8)
            for index in range(frames):
                frame = Frame(image, Fraction(index), index, f"{index:05d}")
                masks.write(frame, FrameResult(index, frame.pts, frame.name, _labels(index), {}))
        (output.part / PROMPTS_NAME).write_text('{"schema": 1, "prompts": []}')
        output.commit(frame_count=frames)
    return place


def _labels(index: int) -> np.ndarray:
    height, width = SIZE_HW
    y, x = np.ogrid[:height, :width]
    labels = np.zeros(SIZE_HW, np.uint8)
    for one in OBJECTS:
        middle = width * one / 4 + 3 * index
        labels[(y - height * one / 4) ** 2 + (x - middle) ** 2 < (height / 6) ** 2] = one
    return labels


@contextmanager
def timed(frames: int) -> Iterator[list[Cost]]:
    """Measure what happens inside; the list holds the cost afterwards."""
    costs: list[Cost] = []
    wall, cpu = time.perf_counter(), time.process_time()
    yield costs
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    costs.append(Cost(1000 * wall / frames, 1000 * cpu / frames))


def measure(result: FinishedResult, name: str, folder: Path) -> tuple[Cost, Cost, Cost]:
    """Return the cost of the encode alone, of the export, and of the export that is verified."""
    plan = plan_export(result, Order(name, output=folder / "place"))
    ready = _ready_frames(result)
    codec = CODECS.get(name)
    alone = (
        _write_alone(plan, ready, folder) if codec is None else _encode(plan, codec, ready, folder)
    )
    count = len(plan.shot.frames)
    with timed(count) as plain:
        export(result, plan, is_verified=False)
    with timed(count) as whole:
        export(result, plan, overwrite=True)
    return alone, plain[0], whole[0]


def _ready_frames(result: FinishedResult) -> list[ShotFrame]:
    images = islice(frames_with_images(result, range(READY)), READY)
    return [
        ShotFrame(index, result.label_map(index), image, pts, {}) for index, image, pts in images
    ]


def _encode(plan: ExportPlan, codec: MovieCodec, ready: list[ShotFrame], folder: Path) -> Cost:
    shot, costs = plan.shot, []
    for target in shot.targets:
        make = _frame_maker(codec)
        frames = [make(one, target.matte(one.label_map)) for one in ready]
        path = folder / f"alone{codec.suffix}"
        with timed(len(shot.frames)) as cost, av.open(str(path), "w") as output:
            stream = open_encoder(output, shot, codec)
            for position in range(len(shot.frames)):
                frame = frames[position % len(frames)]
                frame.pts, frame.time_base = position, 1 / shot.rate
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        costs.append(cost[0])
        path.unlink()
    return Cost(sum(one.wall_ms for one in costs), sum(one.cpu_ms for one in costs))


def _frame_maker(codec: MovieCodec) -> Callable[[ShotFrame, np.ndarray], av.VideoFrame]:
    def make(frame: ShotFrame, matte: np.ndarray) -> av.VideoFrame:
        if codec.is_matte_only:
            return convert_matte(matte, codec.pixel_format)
        assert frame.image is not None
        return lay_matte(convert_colours(frame.image, codec.pixel_format), matte)

    return make


def _write_alone(plan: ExportPlan, ready: list[ShotFrame], folder: Path) -> Cost:
    shot = plan.shot
    with (
        tempfile.TemporaryDirectory(dir=folder) as place,
        timed(len(shot.frames)) as costs,
        plan.format.open(Path(place), shot) as delivery,
    ):
        for position in range(len(shot.frames)):
            one = ready[position % len(ready)]
            delivery.write(replace(one, frame_idx=position))
    return costs[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("formats", nargs="*", default=_PER_FRAME)
    parser.add_argument("--frames", type=int, default=FRAMES)
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = open_finished(write_footage(folder, args.frames))
        for one in args.formats:
            try:
                rows.append(_row(one, *measure(result, one, folder)))
            except VosError as error:
                print(f"{one}: left out ({error})")
                continue
            print(rows[-1], flush=True)
            shutil.rmtree(folder / "place")
        result.close()
    height, width = SIZE_HW
    head = [
        "# What exports cost",
        "",
        f"{args.frames} frames of {width} x {height}, H.264, {len(OBJECTS)} objects, each with a "
        f"movie or sequence of its own. {machine()}; load average {os.getloadavg()[0]:.1f}.",
        f"Command: `python -m benchmarks.export {' '.join(args.formats)} --frames {args.frames}`.",
        "",
        "Milliseconds per frame of the clip, its three objects together. *Alone*: the same encode "
        "with nothing around it, from frames that are ready: FFmpeg's encoder for movies, the "
        "writer for other formats. *Whole*: decoding, masks, conversion, encoding, reading back, "
        "which is much of it for so short a clip.",
        f"The last two columns are what {CORES} such cores do in a second of their CPU time: "
        "frames of the clip, and frames that are written.",
        "",
        "| format | alone, CPU | not verified, CPU | whole, CPU | whole / alone | alone, wall "
        "| whole, wall | clip/s | written/s |",
        f"{'|---' * 9}|",
    ]
    write_result("export.md", "\n".join([*head, *rows, ""]))


def _row(name: str, alone: Cost, plain: Cost, whole: Cost) -> str:
    cells = [
        name,
        f"{alone.cpu_ms:.0f}",
        f"{plain.cpu_ms:.0f}",
        f"{whole.cpu_ms:.0f}",
        f"{whole.cpu_ms / alone.cpu_ms:.2f}",
        f"{alone.wall_ms:.0f}",
        f"{whole.wall_ms:.0f}",
        f"{CORES * 1000 / whole.cpu_ms:.1f}",
        f"{CORES * 1000 * len(OBJECTS) / whole.cpu_ms:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
