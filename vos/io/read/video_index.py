"""Going back in a video file, exactly.

One forward pass indexes the footage: per picture its ticks, time, damage and the checksum of its
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

from vos.io.read.decode import Clock, Converter, Picture, decode_pictures, open_video
from vos.io.read.source import SourceInfo

_SEEK_ATTEMPTS = 2
_NO_TICKS = -(2**63)

Report = Callable[[list[int], Clock, Converter], None]
Give = Callable[[], np.ndarray]
"""Makes a decoded picture uint8 H x W x 3 RGB."""


class Unproved(Exception):
    """Seeking led to other pictures than the forward pass saw."""


class VideoIndex:
    """Where the pictures of one video are. Another thread may read while `build` runs.

    corrupt: indices of damaged pictures seen so far.
    """

    def __init__(self, path: Path, info: SourceInfo, report: Report) -> None:
        """report: told the damaged indices and the counters once the forward pass is over."""
        self._path = path
        self._info = info
        self._report = report
        self._ticks = array("q")
        self._checksums = array("L")
        self._times = array("q")
        self._keys: list[int] = []
        self.corrupt: list[int] = []
        self._count = 0
        self._leaves_out = True

    def __len__(self) -> int:
        """Pictures indexed so far."""
        return self._count

    def build(self, first: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """The forward pass up to `stop` (exclusive); yields the pictures from `first` on.

        Only those can be read later. Raises InputError if reading fails.
        """
        with open_video(self._path) as (container, stream):
            clock, converter = Clock(stream), Converter(self._info)
            pictures = decode_pictures(container, stream)
            for frame_idx, picture in enumerate(islice(pictures, stop)):
                pts = clock.stamp(picture.raw_pts)
                self._ticks.append(_NO_TICKS if picture.raw_pts is None else picture.raw_pts)
                self._times.extend((pts.numerator, pts.denominator))
                if picture.frame.key_frame and not picture.is_corrupt:
                    self._keys.append(frame_idx)
                if frame_idx < first:
                    self._checksums.append(0)  # never compared, keeps the indices aligned
                    self._count += 1
                    continue
                if picture.is_corrupt:
                    self.corrupt.append(frame_idx)
                image = converter.to_rgb(picture.frame)
                self._checksums.append(zlib.crc32(image.data))
                self._count += 1
                yield image
        self._report(self.corrupt, clock, converter)

    def pts(self, frame_idx: int) -> Fraction:
        """Exact seconds."""
        return Fraction(self._times[2 * frame_idx], self._times[2 * frame_idx + 1])

    def read(self, low: int, top: int) -> list[np.ndarray]:
        """Pictures `low` to `top`, both inclusive, ascending."""
        count = top - low + 1
        keys = list(self._keys_before(low))
        for key in (*keys[:1], *keys) if self._leaves_out else keys:
            try:
                return [give() for give in islice(self._from_key(key, low, top), count)]
            except Unproved:
                continue
        return [give() for give in islice(self._from_beginning(low), count)]

    def follow(self, low: int) -> Iterator[Give]:
        """Pictures from `low` on, as far as they are indexed, decoded as they are asked for. Each
        is given when it is called for, before the next is asked for: that takes longer than
        decoding it.

        Raises Unproved, in both steps, where seeking cannot be trusted; `read` can be then.
        """
        key = self.key_before(low)
        return self._from_beginning(low) if key is None else self._from_key(key, low)

    def key_before(self, low: int) -> int | None:
        """Index of the frame at which decoding starts to reach `low`; None for the beginning."""
        return next(self._keys_before(low), None)

    def _keys_before(self, low: int) -> Iterator[int]:
        """Where decoding may start to reach `low`, the best first."""
        ticks = self._ticks
        usable = (key for key in reversed(self._keys) if key <= low and ticks[key] != _NO_TICKS)
        return islice(usable, _SEEK_ATTEMPTS)

    def _from_beginning(self, low: int) -> Iterator[Give]:
        with open_video(self._path) as (container, stream):
            converter = Converter(self._info)
            for picture in islice(decode_pictures(container, stream), low, None):
                yield partial(converter.to_rgb, picture.frame)

    def _from_key(self, key: int, low: int, top: int | None = None) -> Iterator[Give]:
        """The pictures from `low` on, decoded from key frame `key`.

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
            for picture in decode_pictures(container, stream, needed_from=needed_from):
                if picture.raw_pts is None or picture.raw_pts < begin:
                    continue
                if frame_idx >= self._count:
                    return
                if picture.raw_pts != self._ticks[frame_idx]:
                    raise self._unproved()
                yield partial(self._proved, picture, frame_idx, converter)
                frame_idx += 1
        if top is not None and frame_idx <= top:
            raise self._unproved()

    def _proved(self, picture: Picture, frame_idx: int, converter: Converter) -> np.ndarray:
        image = converter.to_rgb(picture.frame)
        if zlib.crc32(image.data) != self._checksums[frame_idx]:
            raise self._unproved()
        return image

    def _unproved(self) -> Unproved:
        """Perhaps because pictures were left out that others are made from: never again here."""
        self._leaves_out = False
        return Unproved()
