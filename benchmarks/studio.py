"""Measure how long the page waits for frames: 8,000 small ones, and 4K far from a key frame.

    python -m benchmarks.studio                # generates both clips: some minutes

What the server does for one request is timed. A picture is decoded, converted, proved by checksum
and made a JPEG, unless it is kept: those far from a key frame are. Pixels, as the model and an
exact picture take them, are always decoded. The file is open by then: the page has shown frame 0.
The line and the browser are not timed. Thumbnails are shown after 80 ms if a frame has not come.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.common import machine, write_result
from vos.bench.stages import make_clip
from vos.io.read.open import open_source
from vos_cli.studio.far_frames import FarFrames, picture, read_for_page
from vos_cli.studio.pictures import Thumbnails

STEPS = 20


@dataclass(frozen=True, slots=True)
class Clip:
    """One generated clip.

    name: for the table.
    size_hw: of its frames.
    frames: how many.
    bit_rate: in bits per second.
    """

    name: str
    size_hw: tuple[int, int]
    frames: int
    bit_rate: int


CLIPS = (
    Clip("long", (180, 320), 8000, 400_000),
    Clip("4K", (2160, 3840), 60, 60_000_000),
)


@dataclass(frozen=True, slots=True)
class Times:
    """The times of one kind of request.

    kind: of request.
    wall_ms: by the clock, per request.
    cpu_ms: of all threads, per request.
    """

    kind: str
    wall_ms: list[float]
    cpu_ms: list[float]

    def row(self, name: str) -> str:
        middle, worst = statistics.median(self.wall_ms), max(self.wall_ms)
        cpu, most = statistics.median(self.cpu_ms), max(self.cpu_ms)
        return f"| {name} | {self.kind} | {middle:.1f} | {worst:.1f} | {cpu:.1f} | {most:.1f} |"


def measure(path: Path, seeks: int) -> tuple[float, list[Times]]:
    """Return the seconds of indexing, and the times once that is over."""
    with open_source(path) as source:
        thumbnails = Thumbnails(source.info.frame_count)
        began = time.monotonic()
        with FarFrames() as far, read_for_page(source, thumbnails, far) as frames:
            while not frames.is_complete:
                time.sleep(0.02)
            count = frames.count
            picture(frames, far, count - 1)  # is made last
            indexing = time.monotonic() - began
            picture(frames, far, 0)  # the page's first, which opens the file
            dice = random.Random(0)
            middle = count // 2

            def anywhere() -> list[int]:
                return [dice.randrange(count) for _ in range(seeks)]

            show = partial(picture, frames, far)
            requests: list[tuple[str, Callable[[int], object], Sequence[int]]] = [
                ("thumbnail", thumbnails.get, anywhere()),
                ("picture anywhere", show, anywhere()),
                ("next picture", show, range(middle, min(middle + STEPS, count))),
                ("picture before", show, range(middle - 5, middle - 5 - STEPS, -1)),
                ("pixels anywhere", frames.read, anywhere()),
            ]
            return indexing, [time_requests(*one) for one in requests]


def time_requests(kind: str, request: Callable[[int], object], places: Sequence[int]) -> Times:
    wall_ms, cpu_ms = [], []
    for place in places:
        wall, cpu = time.perf_counter(), time.process_time()
        request(place)
        cpu_ms.append(1000 * (time.process_time() - cpu))
        wall_ms.append(1000 * (time.perf_counter() - wall))
    return Times(kind, wall_ms, cpu_ms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeks", type=int, default=40)
    args = parser.parse_args()
    lines, indexed = [], []
    with tempfile.TemporaryDirectory() as folder:
        for clip in CLIPS:
            path = Path(folder) / "clip.mp4"
            make_clip(path, clip.frames, clip.size_hw, clip.bit_rate)
            seconds, times = measure(path, args.seeks)
            height, width = clip.size_hw
            indexed.append(
                f"{clip.name}: {clip.frames} frames of {width} x {height}, "
                f"{path.stat().st_size / 1e6:.1f} MB, indexed in {seconds:.1f} s"
            )
            lines += [one.row(clip.name) for one in times]
    head = [
        "# What the page waits for",
        "",
        f"{'; '.join(indexed)}. One key frame every 250. {machine()}; load average "
        f"{os.getloadavg()[0]:.1f}.",
        f"Command: `python -m benchmarks.studio --seeks {args.seeks}`. CPU time is that of all "
        "threads together: what an idle machine with one core would wait.",
        "",
        "| clip | request | median ms | worst ms | median CPU ms | worst CPU ms |",
        "|---|---|---|---|---|---|",
    ]
    write_result("studio.md", "\n".join([*head, *lines, ""]))


if __name__ == "__main__":
    main()
