"""How large a frame may be, so that a small file cannot take gigabytes of memory unannounced."""

from __future__ import annotations

from pathlib import Path

from vos.errors import InputError
from vos.io.paths import display_name

MOST_VIDEO_PIXELS = 2**26
"""A video's frame: 8192 x 8192, twice 8K."""

MOST_STILL_PIXELS = 100 * 2**20
"""A still: 105 million pixels. Cameras of 102 million exist."""

# Measured with an overlay. Up to 4K frames wait in queues and in the encoder; beyond, few do.
_BYTES_PER_VIDEO_PIXEL = 80
_BYTES_PER_HUGE_PIXEL = 24
_BYTES_PER_STILL_PIXEL = 15
_MOST_PIXELS_WAITING = 2**24
_MENTIONED_BYTES = 10**9


def check_video_size(path: Path | str, size_hw: tuple[int, int]) -> None:
    """Raise InputError for a video whose frames are larger than the limit."""
    _check(path, size_hw, MOST_VIDEO_PIXELS, "video")


def check_still_size(path: Path, size_hw: tuple[int, int]) -> None:
    """Raise InputError for a still that is larger than the limit."""
    _check(path, size_hw, MOST_STILL_PIXELS, "still")


def memory_note(size_hw: tuple[int, int], frame_count: int | None) -> str | None:
    """Return what to say of the memory that tracking takes for its frames, None if it is little."""
    height, width = size_hw
    is_huge = height * width > _MOST_PIXELS_WAITING
    each = _BYTES_PER_HUGE_PIXEL if is_huge else _BYTES_PER_VIDEO_PIXEL
    if frame_count == 1:
        each = _BYTES_PER_STILL_PIXEL
    expected = height * width * each
    if expected < _MENTIONED_BYTES:
        return None
    return f"frames of {width} x {height}: tracking takes about {expected / 1e9:.1f} GB for them"


def _check(path: Path | str, size_hw: tuple[int, int], limit: int, kind: str) -> None:
    height, width = size_hw
    if height * width > limit:
        raise InputError(
            f"{display_name(path)}: {width} x {height} are {height * width:,} pixels, and a {kind} "
            f"may have {limit:,}; resize it first"
        )
