"""CPU cost of scoring: LVOS-like palette masks, two objects, PNG decoding included.

Run: python benchmarks/eval.py [--frames N] [--jobs [N]] [--long] [--write]
Prints CPU (not wall) milliseconds per object and frame; with --jobs (about five minutes) the
throughput of `vos eval score --jobs N` against one process; with --long the memory of a
10,000-frame video. --write stores the table in benchmarks/results/eval.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from vos_eval.parallel import run_plan
from vos_eval.protocols.plan import FramePlan, Plan, SequencePlan

SIZES_HW = ((480, 854), (720, 1280), (1080, 1920))
TARGETS_MS = (1.0, 2.0, 5.0)
OFFICIAL_MS = (9.0, 24.5, 82.5)
OBJECTS = (1, 2)
REPEATS = 7
LONG_FRAMES = 10_000
JOBS_S = 60.0  # of work for one process: what starting processes costs is then in proportion
JOBS_TARGET = 0.85  # of N processes' throughput
JOBS_VIDEO_FRAMES = 100
RESULT = Path(__file__).parent / "results" / "eval.md"


def outline(angle: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a wavy closed outline: the radius factor at each angle."""
    waves = [
        rng.normal(0, 0.12 / k) * np.cos(k * angle + rng.uniform(0, 2 * np.pi))
        for k in range(2, 12)
    ]
    return 1 + np.sum(waves, axis=0)


def draw(size_hw: tuple[int, int], index: int, jitter: float, seed: int) -> np.ndarray:
    """Draw two objects that drift; `jitter` moves and reshapes them as a tracker's errors would."""
    height, width = size_hw
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    labels = np.zeros(size_hw, np.uint8)
    for label, (x, y, rx, ry) in zip(
        OBJECTS, ((0.33, 0.5, 0.1, 0.26), (0.7, 0.56, 0.08, 0.17)), strict=True
    ):
        rng = np.random.default_rng([seed, label])
        cx, cy = (x + 0.002 * index + 0.004 * jitter) * width, (y - 0.003 * jitter) * height
        dx, dy = (columns - cx) / (rx * width), (rows - cy) / (ry * height)
        edge = outline(np.arctan2(dy, dx), rng)
        if jitter:
            edge += 0.05 * (outline(np.arctan2(dy, dx), np.random.default_rng(index)) - 1)
        labels[dx * dx + dy * dy < edge * edge] = label
    return labels


def save(path: Path, labels: np.ndarray) -> None:
    image = Image.fromarray(labels)
    image.putpalette([value for i in range(256) for value in (i * 37 % 256, i * 91 % 256, i)])
    image.save(path)


def make_plan(folder: Path, size_hw: tuple[int, int], frames: int) -> Plan:
    plans = []
    for index in range(frames):
        gt, pred = folder / f"gt{index}.png", folder / f"pred{index}.png"
        save(gt, draw(size_hw, index, 0, 1))
        save(pred, draw(size_hw, index, 1, 1))
        plans.append(FramePlan(f"{index:05d}", gt, pred, OBJECTS))
    return Plan([SequencePlan("clip", tuple(plans), OBJECTS)])


def repeat(plan: Plan, times: int) -> Plan:
    (sequence,) = plan.sequences
    return Plan([SequencePlan("clip", sequence.frames * times, OBJECTS)])


def cpu_ms(plan: Plan) -> list[float]:
    """Measure CPU milliseconds per object and frame, of each repetition."""
    found = []
    for _ in range(REPEATS):
        start = time.process_time()
        run_plan(plan)
        found.append(1e3 * (time.process_time() - start) / (plan.frame_count * len(OBJECTS)))
    return found


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one or several runs of the program at the same time, from start to end.

    wall_s: by the clock.
    cpu_s: of all processes.
    """

    wall_s: float
    cpu_s: float


def make_davis(root: Path, plan: Plan, frames: int) -> None:
    """Make a data set on disk whose frames are hard links to the plan's masks, over and over."""
    (sequence,) = plan.sequences
    for index in range(frames):
        video = f"{index // JOBS_VIDEO_FRAMES:04d}"
        frame = sequence.frames[index % len(sequence.frames)]
        assert frame.pred is not None
        for folder, path in (("gt/Annotations/480p", frame.gt), ("pred", frame.pred)):
            target = root / folder / video / f"{index % JOBS_VIDEO_FRAMES:05d}.png"
            if not index % JOBS_VIDEO_FRAMES:
                target.parent.mkdir(parents=True)
            os.link(path, target)


def run_program(root: Path, jobs: int, at_once: int = 1) -> Cost:
    """Score the data set with the program, `at_once` times side by side.

    Raises: RuntimeError if one fails, or if their outputs differ.
    """
    command = [sys.executable, "-m", "vos_cli", "eval", "score", "--protocol", "davis", "--json"]
    command += ["--gt", str(root / "gt"), "--pred", str(root / "pred"), "--jobs", str(jobs)]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(at_once)]
    outputs = {process.communicate()[0] for process in started}
    wall_s = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if len(outputs) != 1 or any(process.returncode for process in started):
        raise RuntimeError("a scorer failed, or two of them disagree")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall_s, cpu_s)


def jobs_table(folder: Path, plan: Plan, ms_per_frame: float, jobs: int) -> list[str]:
    """Compare the throughput of `jobs` processes with one, beside what the machine itself allows.

    plan: the masks to repeat; ms_per_frame: their cost, which decides how often. The runs are in
    an order in which a slow drift of the machine's speed cancels out.
    """
    videos = round(1e3 * JOBS_S / ms_per_frame / JOBS_VIDEO_FRAMES)
    make_davis(folder, plan, videos * JOBS_VIDEO_FRAMES)
    ones = [run_program(folder, 1)]
    several = [run_program(folder, jobs)]
    control = run_program(folder, 1, at_once=jobs)
    several.append(run_program(folder, jobs))
    ones.append(run_program(folder, 1))
    one, many = (min(costs, key=lambda cost: cost.wall_s) for costs in (ones, several))
    rows = [
        (f"`--jobs 1`, {_both(ones)}", one, 1.0),
        (f"`--jobs {jobs}`, {_both(several)}", many, one.wall_s / many.wall_s),
        (f"control: {jobs} x `--jobs 1` at once", control, jobs * one.wall_s / control.wall_s),
    ]
    return [
        "",
        f"`vos eval score` of {videos} videos, {videos * JOBS_VIDEO_FRAMES:,} frames of 1080p, the "
        "whole program with its start. The control is independent scorers side by side: what this "
        f"machine allows. Target: {JOBS_TARGET * jobs:.1f}x.",
        "",
        "| run | wall s | CPU s | throughput |",
        "|---|---|---|---|",
        *(f"| {name} | {c.wall_s:.1f} | {c.cpu_s:.1f} | {speed:.2f}x |" for name, c, speed in rows),
    ]


def _both(costs: list[Cost]) -> str:
    return "better of " + " and ".join(f"{cost.wall_s:.1f} s" for cost in costs)


def long_video_mb() -> tuple[float, float]:
    """Return peak resident MB of a fresh process scoring 500 frames, and LONG_FRAMES frames."""
    found = []
    for frames in (500, LONG_FRAMES):
        done = subprocess.run(
            [sys.executable, __file__, "--peak", str(frames)],
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(float(done.stdout))
    return found[0], found[1]


def peak(frames: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        plan = make_plan(Path(folder), SIZES_HW[0], 20)
        run_plan(repeat(plan, frames // 20))
    # ru_maxrss would count the parent's memory, from before this program was loaded.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            print(int(line.split()[1]) / 1024)


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    return done.stdout.strip() or "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--jobs", type=int, nargs="?", const=2, metavar="N")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        peak(arguments.peak)
        return
    lines = [
        "# Cost of scoring",
        "",
        "Weights: none",
        "",
        f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, NumPy "
        f"{np.__version__}, Pillow {Image.__version__}, commit {commit()}. Load average "
        f"{os.getloadavg()[0]:.1f} at the start.",
        "",
        "CPU ms per object and frame, two objects, both PNGs decoded, "
        f"{arguments.frames} frames, {REPEATS} repetitions (`python benchmarks/eval.py`).",
        "",
        "| size | lowest | median | target | official tool |",
        "|---|---|---|---|---|",
    ]
    plan, times = Plan(), [0.0]
    with tempfile.TemporaryDirectory() as folder:
        for size_hw, target, official in zip(SIZES_HW, TARGETS_MS, OFFICIAL_MS, strict=True):
            place = Path(folder) / str(size_hw[0])
            place.mkdir()
            plan = make_plan(place, size_hw, arguments.frames)
            times = cpu_ms(plan)
            lines.append(
                f"| {size_hw[1]}x{size_hw[0]} | {min(times):.2f} | {statistics.median(times):.2f} "
                f"| {target:.1f} | {official:.1f} |"
            )
        if arguments.jobs:
            ms_per_frame = statistics.median(times) * len(OBJECTS)  # of the last size
            lines += jobs_table(Path(folder) / "davis", plan, ms_per_frame, arguments.jobs)
    if arguments.long:
        short_mb, long_mb = long_video_mb()
        lines += [
            "",
            f"Peak memory at 480p: {short_mb:.0f} MB for 500 frames, {long_mb:.0f} MB for "
            f"{LONG_FRAMES:,} frames.",
        ]
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.write:
        RESULT.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
