"""Going back in a video file, exactly.

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
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from av.error import FFmpegError

from vos.io.read.decode import Clock, Converter, RawFrame, decode_frames, open_video
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
        self._leaves_out = True

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

    def read(self, low: int, top: int) -> list[np.ndarray]:
        """Return frames `low` to `top`, both inclusive, ascending."""
        count = top - low + 1
        keys = list(self._keys_before(low))
        for key in (*keys[:1], *keys) if self._leaves_out else keys:
            try:
                return [to_rgb() for to_rgb in islice(self._from_key(key, low, top), count)]
            except Unproved:
                continue
        return [to_rgb() for to_rgb in islice(self._from_beginning(low), count)]

    def follow(self, low: int) -> Iterator[ToRgb]:
        """Yield the frames from `low` on, as far as they are indexed, each decoded on demand.

        Call each one, before asking for the next, to convert it: that takes longer than decoding.

        Raises Unproved, in both steps, where seeking cannot be trusted; `read` can be then.
        """
        key = self.key_before(low)
        return self._from_beginning(low) if key is None else self._from_key(key, low)

    def key_before(self, low: int) -> int | None:
        """Return where decoding starts to reach `low`: a frame index, or None for the beginning."""
        return next(self._keys_before(low), None)

    def _keys_before(self, low: int) -> Iterator[int]:
        """Yield the key frames where decoding may start to reach `low`, the best first."""
        ticks = self._ticks
        usable = (key for key in reversed(self._keys) if key <= low and ticks[key] != _NO_TICKS)
        return islice(usable, _SEEK_ATTEMPTS)

    def _from_beginning(self, low: int) -> Iterator[ToRgb]:
        with open_video(self._path) as (container, stream):
            converter = Converter(self._info)
            for raw in islice(decode_frames(container, stream), low, None):
                yield partial(converter.to_rgb, raw.frame)

    def _from_key(self, key: int, low: int, top: int | None = None) -> Iterator[ToRgb]:
        """Yield the frames from `low` on, decoded from key frame `key`.

        Raises Unproved at the first that is not the index's, or if they end before `top`.
        """
        frame_idx = low
        with open_video(self._path) as (container, stream):
            converter = Converter(self._info)
            try:
                container.seek(self._ticks[key], stream=stream)
            except FFmpegError:
                raise Unproved from None
            begin = self._ticks[low]
            needed_from = begin if self._leaves_out else None
            for raw in decode_frames(container, stream, needed_from=needed_from):
                if raw.raw_pts is None or raw.raw_pts < begin:
                    continue
                if frame_idx >= self._count:
                    return
                if raw.raw_pts != self._ticks[frame_idx]:
                    raise self._distrust()
                yield partial(self._to_proved_rgb, raw, frame_idx, converter)
                frame_idx += 1
        if top is not None and frame_idx <= top:
            raise self._distrust()

    def _to_proved_rgb(self, raw: RawFrame, frame_idx: int, converter: Converter) -> np.ndarray:
        image = converter.to_rgb(raw.frame)
        if zlib.crc32(image.data) != self._checksums[frame_idx]:
            raise self._distrust()
        return image

    def _distrust(self) -> Unproved:
        """Leave out no frame any more: perhaps others are made from it. Return the error."""
        self._leaves_out = False
        return Unproved()
