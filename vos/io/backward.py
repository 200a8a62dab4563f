"""Reading a video file backward in bounded memory.

One forward pass indexes the footage: per picture its ticks, time, damage and the checksum of its
RGB pixels (about 30 bytes). Then chunk after chunk is decoded from the key frame before it. Seeking
is trusted only where it is proved: a chunk whose ticks and checksums do not all equal the index's
is decoded again from the beginning.
"""

from __future__ import annotations

import zlib
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
from av.error import FFmpegError

from vos.frame import Frame
from vos.io.decode import Clock, Converter, Picture, decode_pictures, open_video
from vos.io.source import SourceInfo, past_the_end, video_frame_name

_CHUNK_FRAMES = 32
_CHUNK_BYTES = 256 * 2**20
_SEEK_ATTEMPTS = 2
_NO_TICKS = -(2**63)

Report = Callable[[list[int], Clock, Converter], None]


class BackwardReader:
    """Gives frames of one video in descending order."""

    def __init__(self, path: Path, info: SourceInfo, report: Report) -> None:
        """report: told the damaged indices and the counters once the forward pass is over."""
        height, width = info.size_hw
        self._chunk = max(1, min(_CHUNK_FRAMES, _CHUNK_BYTES // (height * width * 3)))
        self._path = path
        self._info = info
        self._report = report
        self._ticks = array("q")
        self._checksums = array("L")
        self._times = array("q")
        self._keys: list[int] = []

    def frames(self, start: int, last: int, skip_to: int) -> Iterator[Frame]:
        """Frames `start` down to `last`, both inclusive, without those above `skip_to`.

        Raises UsageError if the footage has no frame `start`, InputError if reading fails.
        """
        images, corrupt = self._index(start, last)
        top = start
        if skip_to <= start - len(images):
            top = skip_to
            images = self._read_chunk(max(last, top - self._chunk + 1), top)
        while True:
            low = top - len(images) + 1
            while top > skip_to:
                images.pop()
                top -= 1
            for frame_idx in range(top, low - 1, -1):
                pts = Fraction(self._times[2 * frame_idx], self._times[2 * frame_idx + 1])
                name = video_frame_name(frame_idx)
                yield Frame(images.pop(), pts, frame_idx, name, frame_idx in corrupt)
            if low == last:
                return
            top = low - 1
            images = self._read_chunk(max(last, top - self._chunk + 1), top)

    def _index(self, start: int, last: int) -> tuple[list[np.ndarray], frozenset[int]]:
        """The topmost chunk of pictures in ascending order, and the damaged indices."""
        recent: deque[np.ndarray] = deque(maxlen=min(self._chunk, start - last + 1))
        corrupt: list[int] = []
        with open_video(self._path) as (container, stream):
            clock, converter = Clock(stream), Converter(self._info)
            pictures = decode_pictures(container, stream)
            for frame_idx, picture in enumerate(islice(pictures, start + 1)):
                pts = clock.stamp(picture.raw_pts)
                self._ticks.append(_NO_TICKS if picture.raw_pts is None else picture.raw_pts)
                self._times.extend((pts.numerator, pts.denominator))
                if picture.frame.key_frame and not picture.is_corrupt:
                    self._keys.append(frame_idx)
                if frame_idx < last:
                    self._checksums.append(0)  # never compared, keeps the indices aligned
                    continue
                if picture.is_corrupt:
                    corrupt.append(frame_idx)
                image = converter.to_rgb(picture.frame)
                self._checksums.append(zlib.crc32(image.data))
                recent.append(image)
        self._report(corrupt, clock, converter)
        if len(self._ticks) <= start:
            raise past_the_end(self._path, start, len(self._ticks))
        return list(recent), frozenset(corrupt)

    def _read_chunk(self, low: int, top: int) -> list[np.ndarray]:
        """Pictures `low` to `top`, ascending."""
        ticks = self._ticks[low : top + 1]
        if _NO_TICKS not in ticks and len(set(ticks)) == len(ticks):
            keys = [key for key in self._keys if key <= low and self._ticks[key] != _NO_TICKS]
            for key in reversed(keys[-_SEEK_ATTEMPTS:]):
                if (images := self._read_from_key(key, low, top)) is not None:
                    return images
        with open_video(self._path) as (container, stream):
            converter = Converter(self._info)
            pictures = islice(decode_pictures(container, stream), low, top + 1)
            return [converter.to_rgb(picture.frame) for picture in pictures]

    def _read_from_key(self, key: int, low: int, top: int) -> list[np.ndarray] | None:
        """The chunk decoded from key frame `key`; None unless it equals the index's."""
        images: list[np.ndarray] = []
        with open_video(self._path) as (container, stream):
            converter = Converter(self._info)
            try:
                container.seek(self._ticks[key], stream=stream)
            except FFmpegError:
                return None
            for picture in decode_pictures(container, stream):
                if picture.raw_pts is None or picture.raw_pts < self._ticks[low]:
                    continue
                image = self._proved(picture, low + len(images), converter)
                if image is None:
                    return None
                images.append(image)
                if low + len(images) > top:
                    return images
        return None

    def _proved(self, picture: Picture, frame_idx: int, converter: Converter) -> np.ndarray | None:
        """The picture's pixels if ticks and checksum are those of `frame_idx`, else None."""
        if picture.raw_pts != self._ticks[frame_idx]:
            return None
        image = converter.to_rgb(picture.frame)
        return image if zlib.crc32(image.data) == self._checksums[frame_idx] else None
