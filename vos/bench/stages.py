"""What a 1080p frame costs beside the model: reading and resizing it, its mask, its overlay."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from vos.bench.session import moving_frames
from vos.frame import Frame, FrameResult
from vos.io.read.open import open_source
from vos.io.results.layout import MASKS_NAME, OVERLAY_NAME
from vos.io.write.masks import MaskSink
from vos.io.write.overlay.sink import OverlaySink
from vos.io.write.sink import Sink
from vos.model.preprocess import resize_image

SIZE_HW = (1080, 1920)
BIT_RATE = 16 * 10**6


@dataclass(frozen=True, slots=True)
class Stage:
    """CPU milliseconds per frame of one stage.

    name: of the stage.
    where: the threads that do it while the model works on an earlier or a later frame.
    all_threads_ms: of all threads.
    own_ms: of these in the thread that calls.
    kilobytes: of a frame on the disk; None where it leaves nothing there.
    """

    name: str
    where: str
    all_threads_ms: float
    own_ms: float
    kilobytes: float | None


def measure_stages(frames: int, side_px: int, place: Path) -> list[Stage]:
    """Measure the stages on a generated clip with one object.

    place: an empty folder.
    side_px: of the model's input.
    """
    clip = place / "clip.mp4"
    make_clip(clip, frames)
    with open_source(clip) as source:
        info = source.info
        pairs = [(frame, _disk_result(frame)) for frame in source.frames()]
    masks = MaskSink(place / MASKS_NAME)
    overlay = OverlaySink(
        place / OVERLAY_NAME, time_base=info.time_base, frame_rate=info.average_rate
    )

    def small() -> None:
        for frame, _ in pairs:
            resize_image(frame.image, side_px)

    def of(name: str, where: str, work: Callable[[], None], path: Path | None) -> Stage:
        all_threads, own = _cpu_ms(work, len(pairs))
        return Stage(name, where, all_threads, own, path and _kilobytes(path) / len(pairs))

    return [
        of("read", "one, ahead", lambda: _read(clip), clip),
        of(f"make small, {side_px} px", "four, ahead", small, None),
        of("masks", "up to four, behind", lambda: _write(masks, pairs), place / MASKS_NAME),
        of("overlay", "one, behind", lambda: _write(overlay, pairs), place / OVERLAY_NAME),
    ]


def make_clip(
    path: Path, frames: int, size_hw: tuple[int, int] = SIZE_HW, bit_rate: int = BIT_RATE
) -> None:
    """Write a clip of a moving disk with fresh noise, at a camera's bit rate."""
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


def _disk_result(frame: Frame) -> FrameResult:
    """Make a mask of a disk that covers a tenth of the frame."""
    height, width = SIZE_HW
    y, x = np.ogrid[:height, :width]
    radius = (height * width / 10 / np.pi) ** 0.5
    inside = (x - width / 2 - 5 * frame.frame_idx) ** 2 + (y - height / 2) ** 2 < radius**2
    return FrameResult(frame.frame_idx, frame.pts, frame.name, inside.astype(np.uint8), {})


def _cpu_ms(work: Callable[[], None], frames: int) -> tuple[float, float]:
    """Measure CPU milliseconds per frame, of all threads and of this one."""
    all_threads, own = time.process_time(), time.thread_time()
    work()
    all_threads, own = time.process_time() - all_threads, time.thread_time() - own
    return 1e3 * all_threads / frames, 1e3 * own / frames


def _read(clip: Path) -> None:
    with open_source(clip) as source:
        for _ in source.frames():
            pass


def _write(sink: Sink, pairs: list[tuple[Frame, FrameResult]]) -> None:
    with sink:
        for frame, result in pairs:
            sink.write(frame, result)


def _kilobytes(path: Path) -> float:
    files = path.iterdir() if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files) / 1e3
