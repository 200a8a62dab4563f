"""What an overlay video can hold, known without its encoder."""

from __future__ import annotations

from vos.errors import Parameter, UsageError

LONGEST_SIDE_PX = 16_384
"""The most that x264 takes, width or height."""


def check_overlay_size(size_hw: tuple[int, int]) -> None:
    """Raise UsageError for frames that are too wide or too tall to be encoded."""
    height, width = size_hw
    if max(height, width) > LONGEST_SIDE_PX:
        raise UsageError(
            f"overlay: frames of {width} x {height} do not fit H.264, whose sides have at most "
            f"{LONGEST_SIDE_PX:,} pixels; leave it out with `",
            Parameter("save", "masks,stats"),
            "`",
        )
