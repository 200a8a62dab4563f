"""How large a frame may be, so that a small file cannot take gigabytes of memory unannounced."""

from __future__ import annotations

from pathlib import Path

from vos.errors import InputError
from vos.io.paths import display_name

MOST_VIDEO_PIXELS = 2**26
"""A video's frame: 8192 x 8192, twice 8K. Decoders hold a dozen at once."""

MOST_STILL_PIXELS = 2**27
"""A still: 134 million pixels. Cameras of 100 million exist."""


def check_video_size(path: Path, size_hw: tuple[int, int]) -> None:
    """Raise InputError for a video whose frames are larger than the limit."""
    _check(path, size_hw, MOST_VIDEO_PIXELS, "video")


def check_still_size(path: Path, size_hw: tuple[int, int]) -> None:
    """Raise InputError for a still that is larger than the limit."""
    _check(path, size_hw, MOST_STILL_PIXELS, "still")


def _check(path: Path, size_hw: tuple[int, int], limit: int, kind: str) -> None:
    height, width = size_hw
    if height * width > limit:
        raise InputError(
            f"{display_name(path)}: {width} x {height} are {height * width:,} pixels, and a {kind} "
            f"may have {limit:,}; resize it first"
        )
