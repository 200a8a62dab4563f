"""Time results of `session.track(array)` on arrays that arrive as a camera gives them.

    python -m benchmarks.live [--rates 10] [--objects 1 3] [--frames 40]

The loop is that of a program with a camera: wait for the next image, or take the newest one where
some have arrived in the meantime, and leave out those before it. Latency is from the moment an
image arrives to its result, so what it waits for the image before counts. The images are drawn
beforehand. The first one, which has the prompts, is tracked before the clock starts.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import psutil

from benchmarks.common import describe_tracker, list_weights, moving_frames, write_result
from vos.api import Tracker
from vos.bench.session import disk_boxes
from vos.loading import load
from vos.prompts import Box

SIZE_HW = (360, 640)
TURN = 126  # the disk of `moving_frames` is then where it began
SETTLED_FRAME = 20


@dataclass(frozen=True, slots=True)
class Live:
    """What one run at a camera's rate took.

    rate: images per second that arrive.
    objects: how many are tracked at once.
    first_s: seconds of the image with the prompts.
    work_s: seconds of tracking alone, per tracked image after that.
    latency_s: seconds from arrival to result, of the same images.
    left_out: images that were not tracked, as a newer one was there.
    growth_mb: resident memory at the end less that after the settled image.
    state_b: bytes of the session after the settled image, and at the end.
    """

    rate: int
    objects: int
    first_s: float
    work_s: Sequence[float]
    latency_s: Sequence[float]
    left_out: int
    growth_mb: float
    state_b: tuple[int, int]

    def row(self) -> str:
        """Return its row of the page's table."""
        median, late_from, worst = 1e3 * np.percentile(self.latency_s, (50, 95, 100))
        late = sum(one > 1 / self.rate for one in self.latency_s)
        bound = 1e3 * (1 / self.rate + max(self.work_s))
        cells = (
            f"{self.rate}/s",
            self.objects,
            len(self.latency_s),
            self.left_out,
            f"{1e3 * self.first_s:.0f}",
            f"{1e3 * float(np.median(self.work_s)):.0f}",
            f"{median:.0f}",
            f"{late_from:.0f}",
            f"{worst:.0f}",
            f"{bound:.0f}",
            late,
            f"{self.growth_mb:+.1f}",
            f"{self.state_b[1] - self.state_b[0]:+,}",
        )
        return f"| {' | '.join(map(str, cells))} |"


def run(
    tracker: Tracker, images: Sequence[np.ndarray], rate: int, objects: int, frames: int
) -> Live:
    """Track `frames` of the images that arrive `rate` times a second."""
    prompts = [Box(i, box) for i, box in enumerate(disk_boxes(objects, SIZE_HW), 1)]
    session = tracker.session(prompts, rate=rate)
    memory = psutil.Process().memory_info
    began = time.perf_counter()
    session.track(images[0])
    first_s = time.perf_counter() - began
    work_s: list[float] = []
    latency_s: list[float] = []
    settled, state = memory().rss, session.state_bytes()
    start = time.perf_counter()  # image 1 arrives now
    index, left_out = 1, 0
    while len(work_s) < frames:
        time.sleep(max(0.0, start + (index - 1) / rate - time.perf_counter()))
        newest = max(index, 1 + int((time.perf_counter() - start) * rate))
        left_out += newest - index
        index = newest
        began = time.perf_counter()
        session.track(images[index % len(images)])
        ended = time.perf_counter()
        work_s.append(ended - began)
        latency_s.append(ended - (start + (index - 1) / rate))
        if len(work_s) == SETTLED_FRAME:
            settled, state = memory().rss, session.state_bytes()
        index += 1
    growth_mb = (memory().rss - settled) / 1e6
    state_b = state, session.state_bytes()
    return Live(rate, objects, first_s, work_s, latency_s, left_out, growth_mb, state_b)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=int, nargs="+", default=[10])
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--frames", type=int, default=40, help="images tracked, per row")
    args = parser.parse_args()
    if args.frames <= SETTLED_FRAME or min([*args.rates, *args.objects]) < 1:
        parser.error(f"--frames: more than {SETTLED_FRAME}; --rates and --objects: 1 or more")
    tracker = load("nano", device="cpu")
    images = [frame.image for frame in moving_frames(TURN, SIZE_HW)]
    run(tracker, images, max(args.rates), max(args.objects), 1)  # to warm up
    before = os.getloadavg()[0]
    cases = [
        run(tracker, images, rate, objects, args.frames)
        for rate in args.rates
        for objects in args.objects
    ]
    rates, objects = (" ".join(map(str, one)) for one in (args.rates, args.objects))
    command = f"--rates {rates} --objects {objects} --frames {args.frames}"
    text = f"""# Latency at a camera's rate

Generated images of {SIZE_HW[1]} x {SIZE_HW[0]} arrive at a steady rate and are pushed into
`session.track(array)`; where several have arrived, the newest is taken. CPU.
{describe_tracker(tracker)}
Load of the machine (1 minute): {before:.1f} before, {os.getloadavg()[0]:.1f} after. This program is
as much of it as it has threads; the rest is that of others, and makes all times longer.
Command: `python -m benchmarks.live {command}`

| rate | objects | tracked | left out | first, ms | work, median ms | latency, median ms \
| 95% | worst | bound | late | memory, MB | state, B |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
{chr(10).join(case.row() for case in cases)}

Latency: from an image's arrival to its result. Late: longer than the time between two images.
Bound: that time plus the slowest work of the run, as an image waits only for the one before, and
a newer one would have been taken instead; it holds however much faster the camera is.
Memory: resident at the end less that after {SETTLED_FRAME} tracked images, over the
{args.frames - SETTLED_FRAME} tracked after that. State: what the session says of itself, likewise.
"""
    write_result("live.md", text, list_weights(tracker))


if __name__ == "__main__":
    main()
