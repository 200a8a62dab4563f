"""What has to be known of an H.264 encoder, so that its packets can be joined and resumed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

MOST_REORDER_FRAMES = 2
"""The most that any encoder here has."""

REPEATABLE = {"x264-params": "no-mbtree=1"}
"""With AVX-512, x264's macroblock tree reads memory it has not written: the same frames then come
out differently from run to run."""

THREADS = 4
"""x264's output depends on the number of threads, so the machine must not choose it."""


@dataclass(frozen=True, slots=True)
class VideoEncoder:
    """One way to make H.264.

    name: what checkpoints call it.
    codec: FFmpeg's name of the encoder.
    options: FFmpeg's options for it, by name.
    reorder_frames: how many frames are decoded ahead of the one shown; 0 without B-frames.
    threads: how many it uses; None where it uses none.
    segment_scale: how many times as long its segments are as x264's.
    """

    name: str
    codec: str
    options: tuple[tuple[str, str], ...]
    reorder_frames: int
    threads: int | None
    segment_scale: int = 1

    def on(self, gpu: int) -> Self:
        """Let it run on the GPU of that number."""
        return replace(self, options=(*self.options, ("gpu", str(gpu))))


# Its veryfast makes B-frames of others, which is what two frames are decoded ahead for.
X264 = VideoEncoder(
    "x264",
    "libx264",
    (("preset", "veryfast"), ("crf", "18"), *REPEATABLE.items()),
    reorder_frames=2,
    threads=THREADS,
)

MOST_PIXELS_WELL_PACKED = 2**24
"""What has more, which is beyond 4K, is encoded with few frames in memory, in larger files."""

# x264 veryfast holds fifty frames, five gigabytes at 8192 x 8192; this is a seventh of that. At a
# fixed quantiser it makes no small copies of frames to choose one from.
_FEW_FRAMES = "bframes=0:ref=1:rc-lookahead=0:sync-lookahead=0:scenecut=0"
X264_OF_FEW_FRAMES = replace(
    X264,
    options=(
        ("preset", "ultrafast"),
        ("qp", "18"),
        ("x264-params", f"{REPEATABLE['x264-params']}:{_FEW_FRAMES}"),
    ),
    reorder_frames=0,
    threads=1,
)


def choose_x264(size_hw: tuple[int, int]) -> VideoEncoder:
    """Return the x264 for frames of this size."""
    is_huge = size_hw[0] * size_hw[1] > MOST_PIXELS_WELL_PACKED
    return X264_OF_FEW_FRAMES if is_huge else X264


# A constant quantiser at crf 18's, so that nothing depends on a rate; without B-frames, so that
# decoding times are display times. Each segment opens it anew, which takes a GPU a noticeable part
# of a second.
NVENC = VideoEncoder(
    "nvenc",
    "h264_nvenc",
    (("preset", "p4"), ("tune", "hq"), ("rc", "constqp"), ("qp", "18"), ("bf", "0")),
    reorder_frames=0,
    threads=None,
    segment_scale=8,
)
