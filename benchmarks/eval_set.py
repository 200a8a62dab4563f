"""A set of 30 videos, scored by the program and by the official rules' plain steps, in one run.

Run: python -m benchmarks.eval_set [--videos N] [--frames N] [--jobs N] [--write]
The plain steps are those of the DAVIS tool: all masks of a video as arrays, contours, dilation
with a disk, per object and frame. The dilation is OpenCV's where it is installed (as in the
official tools), else SciPy's, which is slower; the page says which. Both must give the same score
within 1e-12. --write stores the table in benchmarks/results/eval_set.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.eval import commit, draw, processor, save

RESULT = Path(__file__).parent / "results" / "eval_set.md"
SIZE_HW = (480, 854)
OBJECTS = 2
TOLERANCE = 1e-12


def make_set(root: Path, videos: int, frames: int) -> None:
    for video in range(videos):
        for frame in range(frames):
            for folder, jitter in (("gt/Annotations/480p", 0.0), ("pred", 1.0 + video % 3)):
                path = root / folder / f"{video:03d}" / f"{frame:05d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                save(path, draw(SIZE_HW, frame + video, jitter, video))


def find_dilation() -> tuple[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """Return OpenCV's dilation, or SciPy's, and its name."""
    try:
        cv2 = import_module("cv2")
    except ImportError:
        from scipy import ndimage

        def by_scipy(mask: np.ndarray, disk: np.ndarray) -> np.ndarray:
            return ndimage.binary_dilation(mask, disk)

        return "SciPy", by_scipy
    cv2.setNumThreads(1)

    def by_opencv(mask: np.ndarray, disk: np.ndarray) -> np.ndarray:
        return cv2.dilate(mask.astype(np.uint8), disk.astype(np.uint8)).astype(bool)

    return f"OpenCV {cv2.__version__}", by_opencv


def contour(mask: np.ndarray) -> np.ndarray:
    """Return the pixels that differ from their right, lower or lower right neighbour."""
    east, south, corner = (np.zeros_like(mask) for _ in range(3))
    east[:, :-1], south[:-1], corner[:-1, :-1] = mask[:, 1:], mask[1:], mask[1:, 1:]
    found = (mask ^ east) | (mask ^ south) | (mask ^ corner)
    found[-1] = mask[-1] ^ east[-1]
    found[:, -1] = mask[:, -1] ^ south[:, -1]
    found[-1, -1] = False
    return found


def plain_score(root: Path, dilate: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float:
    """Return J&F by the plain steps."""
    radius = math.ceil(0.008 * np.linalg.norm(SIZE_HW))
    axis = np.arange(-radius, radius + 1)
    disk = axis[:, None] ** 2 + axis**2 <= radius**2
    means = []
    for video in sorted((root / "pred").iterdir()):
        names = sorted(path.name for path in video.iterdir())[1:-1]
        gt_dir = root / "gt/Annotations/480p" / video.name
        truth = np.stack([np.array(Image.open(gt_dir / name)) for name in names])
        found = np.stack([np.array(Image.open(video / name)) for name in names])
        for label in range(1, OBJECTS + 1):
            pairs = list(zip(truth == label, found == label, strict=True))
            j = [(g & p).sum() / (g | p).sum() for g, p in pairs]
            f = [plain_f(g, p, disk, dilate) for g, p in pairs]
            means.append((np.mean(j) + np.mean(f)) / 2)
    return float(np.mean(means))


def plain_f(
    gt: np.ndarray,
    pred: np.ndarray,
    disk: np.ndarray,
    dilate: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> float:
    a, b = contour(gt), contour(pred)
    precision = (b & dilate(a, disk)).sum() / b.sum()
    recall = (a & dilate(b, disk)).sum() / a.sum()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def program(root: Path, protocol: str, jobs: int) -> tuple[float, float]:
    """Return the headline that the program prints, and its seconds from start to end."""
    command = [sys.executable, "-m", "vos_cli", "eval", "score", "--protocol", protocol, "--json"]
    command += ["--gt", str(root / "gt"), "--pred", str(root / "pred"), "--jobs", str(jobs)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wall_s = time.perf_counter() - start
    return next(iter(json.loads(done.stdout)["global"].values())), wall_s


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--videos", type=int, default=30)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    library, dilate = find_dilation()
    scored = arguments.videos * (arguments.frames - 2) * OBJECTS
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_set(root, arguments.videos, arguments.frames)
        load = os.getloadavg()[0]
        start = time.perf_counter()
        expected = plain_score(root, dilate)
        plain_s = time.perf_counter() - start
        rows.append((f"plain steps, {library}, 1 process", plain_s, expected))
        for protocol, jobs in (
            ("davis", 1), ("davis", arguments.jobs), ("vost", arguments.jobs),
            ("mosev2", arguments.jobs),
        ):  # fmt: skip
            score, wall_s = program(root, protocol, jobs)
            if protocol == "davis" and abs(score - expected) > TOLERANCE:
                raise RuntimeError(f"the program says {score}, the plain steps {expected}")
            rows.append((f"`vos eval score --protocol {protocol} --jobs {jobs}`", wall_s, score))
    text = "\n".join(
        [
            "# A set of 30 videos",
            "",
            "Weights: none",
            "",
            f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, NumPy "
            f"{np.__version__}, commit {commit()}. Load average {load:.1f} at the start.",
            "",
            f"{arguments.videos} videos of {arguments.frames} frames, {SIZE_HW[1]}x{SIZE_HW[0]}, "
            f"{OBJECTS} objects: {scored:,} scored object-frames "
            "(`python -m benchmarks.eval_set`).",
            "Wall seconds, the program's own start included; `davis` gives the plain steps' number "
            "within 1e-12.",
            "",
            "| run | wall s | ms per object-frame | headline |",
            "|---|---|---|---|",
            *(
                f"| {name} | {seconds:.1f} | {1e3 * seconds / scored:.2f} | {100 * score:.2f} |"
                for name, seconds, score in rows
            ),
        ]
    )
    print(text)
    if arguments.write:
        RESULT.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
