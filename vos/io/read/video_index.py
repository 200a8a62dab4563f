"""Where the frames of a video file are, so that going back in it is exact.

One forward pass indexes the footage: per frame its ticks, time, damage and the checksum of its
RGB pixels (about 30 bytes). Then any part can be decoded from the key frame before it. Seeking is
trusted only where it is proved: a part whose ticks and checksums do not all equal the index's is
decoded again from the beginning.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from vos.io.read.decode import Clock, Converter, decode_frames, open_video
from vos.io.read.source import SourceInfo

_SEEK_ATTEMPTS = 2
_NO_TICKS = -(2**63)

OnEnd = Callable[[list[int], Clock, Converter], None]
"""Called with the damaged indices and the counters once the forward pass is over."""

ToRgb = Callable[[], np.ndarray]
"""Converts one decoded frame to uint8 H x W x 3 RGB."""


class Unproved(Exception):
    """Seeking led to other frames than the forward pass saw."""


class VideoIndex:
    """An index of where the frames of one video are. Another thread may read while `build` runs.

    corrupt: indices of damaged frames seen so far.
    leaves_out: whether frames that no other is made from may be left out on the way to one.
    """

    def __init__(self, path: Path, info: SourceInfo, on_end: OnEnd) -> None:
        self._path = path
        self._info = info
        self._on_end = on_end
        self._ticks = array("q")
        self._checksums = array("L")
        self._times = array("q")
        self._keys: list[int] = []
        self.corrupt: list[int] = []
        self._count = 0
        self.leaves_out = True

    def __len__(self) -> int:
        """Return how many frames are indexed so far."""
        return self._count

    def build(self, first: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """Run the forward pass up to `stop` (exclusive); yield the frames from `first` on.

        Only those can be read later. Raises InputError if reading fails.
        """
        with open_video(self._path) as (container, stream):
            clock, converter = Clock(stream), Converter(self._info)
            raws = decode_frames(container, stream)
            for frame_idx, raw in enumerate(islice(raws, stop)):
                pts = clock.stamp(raw.raw_pts)
                self._ticks.append(_NO_TICKS if raw.raw_pts is None else raw.raw_pts)
                self._times.extend((pts.numerator, pts.denominator))
                if raw.frame.key_frame and not raw.is_corrupt:
                    self._keys.append(frame_idx)
                if frame_idx < first:
                    self._checksums.append(0)  # never compared, keeps the indices aligned
                    self._count += 1
                    continue
                if raw.is_corrupt:
                    self.corrupt.append(frame_idx)
                image = converter.to_rgb(raw.frame)
                self._checksums.append(zlib.crc32(image.data))
                self._count += 1
                yield image
        self._on_end(self.corrupt, clock, converter)

    def pts(self, frame_idx: int) -> Fraction:
        """Return a frame's exact seconds."""
        return Fraction(self._times[2 * frame_idx], self._times[2 * frame_idx + 1])

    def seconds(self) -> np.ndarray:
        """Return the seconds of the frames indexed so far, float64."""
        parts = np.array(self._times[: 2 * self._count], np.int64).reshape(-1, 2)
        return parts[:, 0] / parts[:, 1]

    def ticks(self, frame_idx: int) -> int:
        """Return a frame's time as the container gives it; less than any where it gives none."""
        return self._ticks[frame_idx]

    def checksum(self, frame_idx: int) -> int:
        """Return the CRC-32 of a frame's RGB pixels."""
        return self._checksums[frame_idx]

    def key_before(self, low: int) -> int | None:
        """Return where decoding starts to reach `low`: a frame index, or None for the beginning."""
        return next(self.keys_before(low), None)

    def keys_before(self, low: int) -> Iterator[int]:
        """Yield the key frames where decoding may start to reach `low`, the best first."""
        ticks = self._ticks
        usable = (key for key in reversed(self._keys) if key <= low and ticks[key] != _NO_TICKS)
        return islice(usable, _SEEK_ATTEMPTS)
