"""How a stored frame is turned and mirrored to be displayed: a file's display matrix, read as
FFmpeg's autorotate reads it.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np
from av.video.frame import VideoFrame

_TOLERANCE_DEG = 5
_ONE = 65_536
_MATRIX = struct.Struct("=9i")  # rows (a b u), (c d v), (x y w): a point is a row on their left


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight ways to lay an upright rectangle over another.

    rotation_deg: counter-clockwise turn of the stored frame: 0, 90, 180 or 270.
    is_mirrored: left and right are exchanged after the turn.
    """

    rotation_deg: int = 0
    is_mirrored: bool = False

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Return a stored H x W x 3 image as it is displayed, contiguous."""
        turned = np.rot90(image, k=self.rotation_deg // 90)
        return np.ascontiguousarray(turned[:, ::-1] if self.is_mirrored else turned)


@dataclass(frozen=True, slots=True)
class DisplayMatrix:
    """The part of a display matrix that turns and mirrors; what shifts and scales is left out.

    right: where the stored frame's right points to on the display, (right, down).
    down: where its bottom points to.
    """

    right: tuple[int, int] = (_ONE, 0)
    down: tuple[int, int] = (0, _ONE)

    def orientation(self) -> Orientation | None:
        """Return the orientation within 5 degrees, None where there is none."""
        right, down = _axis(self.right), _axis(self.down)
        if right is None or down is None or abs(right[0]) == abs(down[0]):
            return None
        # Left and right change places where the turn from right to down runs the other way.
        is_mirrored = right[0] * down[1] - right[1] * down[0] < 0
        shown = (-right[0], right[1]) if is_mirrored else right
        turns = {(1, 0): 0, (0, -1): 90, (-1, 0): 180, (0, 1): 270}
        return Orientation(turns[shown], is_mirrored)

    def angle_deg(self) -> float:
        """Return how far it turns a frame, counter-clockwise, for a message."""
        return math.degrees(math.atan2(-self.right[1], self.right[0])) % 360


def read_display_matrix(frame: VideoFrame) -> DisplayMatrix:
    """Return the matrix that the file gives this frame; that of an upright one without any."""
    data = bytes(frame.side_data.get("DISPLAYMATRIX", b""))
    if len(data) < _MATRIX.size:
        return DisplayMatrix()
    a, b, _, c, d, *_ = _MATRIX.unpack_from(data)
    return DisplayMatrix((a, b), (c, d))


def _axis(direction: tuple[int, int]) -> tuple[int, int] | None:
    """Return the axis a direction points along, within the tolerance, as a unit step."""
    x, y = direction
    length = math.hypot(x, y)
    if max(abs(x), abs(y)) < length * math.cos(math.radians(_TOLERANCE_DEG)) or not length:
        return None
    return (int(math.copysign(1, x)), 0) if abs(x) > abs(y) else (0, int(math.copysign(1, y)))
