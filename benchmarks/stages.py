"""What a 1080p frame costs beside the model: reading it, its mask, its overlay, on one core.

python -m benchmarks.stages
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np

from benchmarks.common import machine, moving_frames, write_result
from vos.frame import Frame, FrameResult
from vos.io.overlay import OverlaySink
from vos.io.sink import MaskSink, Sink
from vos.io.source import open_source

SIZE_HW = (1080, 1920)
BIT_RATE = 16 * 10**6


def make_clip(
    path: Path, frames: int, size_hw: tuple[int, int] = SIZE_HW, bit_rate: int = BIT_RATE
) -> None:
    """A textured picture with a moving disk and fresh noise, at a camera's bit rate."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "veryfast"})
        stream.height, stream.width = size_hw
        stream.pix_fmt, stream.bit_rate = "yuv420p", bit_rate
        for frame in moving_frames(frames, size_hw):
            noisy = frame.image + rng.integers(-6, 7, frame.image.shape, np.int16)
            image = np.clip(noisy, 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())


def disk_result(frame: Frame) -> FrameResult:
    """A mask of a disk that covers a tenth of the picture."""
    height, width = SIZE_HW
    y, x = np.ogrid[:height, :width]
    radius = (height * width / 10 / np.pi) ** 0.5
    inside = (x - width / 2 - 5 * frame.frame_idx) ** 2 + (y - height / 2) ** 2 < radius**2
    return FrameResult(frame.frame_idx, frame.pts, frame.name, inside.astype(np.uint8), {})


def cpu_ms(work: Callable[[], object], frames: int) -> tuple[float, float]:
    """Of all threads together, and of this one, per frame."""
    clocks = (time.process_time, time.thread_time)
    began = [clock() for clock in clocks]
    work()
    together, own = (
        1000 * (clock() - at) / frames for clock, at in zip(clocks, began, strict=True)
    )
    return together, own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=50)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        clip = place / "clip.mp4"
        make_clip(clip, args.frames)
        with open_source(clip) as source:
            info = source.info
            pairs = [(frame, disk_result(frame)) for frame in source.frames()]
        masks = MaskSink(place / "masks")
        overlay = OverlaySink(
            place / "overlay.mp4", time_base=info.time_base, frame_rate=info.average_rate
        )
        rows = [_row("read", cpu_ms(lambda: read(clip), args.frames), size_kb(clip, pairs))]
        for label, sink, path in (
            ("mask", masks, place / "masks"),
            ("overlay", overlay, place / "overlay.mp4"),
        ):
            spent = cpu_ms(lambda sink=sink: write(sink, pairs), args.frames)
            rows.append(_row(label, spent, size_kb(path, pairs)))
    table = "\n".join(rows)
    write_result(
        "stages.md",
        f"""# What a 1080p frame costs beside the model

{args.frames} generated noisy frames at 16 Mbit/s, one object. {machine()}
Command: `python -m benchmarks.stages`. The calling thread's own time bounds how fast one worker is.

| stage | CPU ms per frame, all threads | of these in the calling thread | kB per frame |
|---|---|---|---|
{table}
""",
    )


def _row(label: str, spent: tuple[float, float], kilobytes: str) -> str:
    return f"| {label} | {spent[0]:.1f} | {spent[1]:.1f} | {kilobytes} |"


def read(clip: Path) -> None:
    with open_source(clip) as source:
        for _ in source.frames():
            pass


def write(sink: Sink, pairs: list[tuple[Frame, FrameResult]]) -> None:
    with sink:
        for frame, result in pairs:
            sink.write(frame, result)


def size_kb(path: Path, pairs: list[tuple[Frame, FrameResult]]) -> str:
    return f"{sum(file.stat().st_size for file in files(path)) / 1000 / len(pairs):.1f}"


def files(path: Path) -> Iterator[Path]:
    return path.iterdir() if path.is_dir() else iter([path])


if __name__ == "__main__":
    main()
