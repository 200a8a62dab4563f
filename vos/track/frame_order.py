"""Which frames a stream has had, and which may come next."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from vos.errors import FrameError
from vos.frame import Frame, check_frame, count_frame


@dataclass(slots=True)
class FrameOrder:
    """The place of a stream among its frames, which come once, in one direction and one size.

    size_hw: height and width of the frames in pixels; None before the first one.
    last_idx: index of the frame that came last; None before the first one.
    last_pts: its time in seconds.
    """

    size_hw: tuple[int, int] | None = None
    last_idx: int | None = None
    last_pts: Fraction | None = None

    def count(self, image: np.ndarray, rate: Fraction) -> Frame | None:
        """Make the next frame of an array; None if the last frame had a time of its own.

        rate: frames per second.
        """
        idx = 0 if self.last_idx is None else self.last_idx + 1
        if self.last_pts not in (None, (idx - 1) / rate):
            return None
        return count_frame(image, idx, rate)

    def check_next(self, frame: Frame, *, reverse: bool) -> None:
        """Raise FrameError for what cannot be the next frame."""
        check_frame(frame)
        if self.size_hw not in (None, frame.size_hw):
            height, width = self.size_hw
            raise FrameError(
                f"frame {frame.frame_idx} is {frame.size_hw[1]}x{frame.size_hw[0]}, those before "
                f"{width}x{height}; a session has frames of one size: resize it, or begin another"
            )
        if self.last_idx is not None and has_passed(
            frame.frame_idx, self.last_idx, reverse=reverse
        ):
            way = "descending" if reverse else "ascending"
            raise FrameError(
                f"frame {frame.frame_idx} after frame {self.last_idx}; a session takes each frame "
                f"once, in {way} order: begin another session to go back"
            )

    def advance(self, frame: Frame) -> None:
        """Note that this frame has come."""
        self.size_hw = frame.size_hw
        self.last_idx, self.last_pts = frame.frame_idx, frame.pts


def has_passed(idx: int, at: int, *, reverse: bool) -> bool:
    """Tell whether a stream that has had frame `at` will not have frame `idx` any more."""
    return idx >= at if reverse else idx <= at
