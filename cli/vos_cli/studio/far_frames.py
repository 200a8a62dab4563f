"""Pictures of the frames that take long to decode, kept in the order in which they are indexed."""

from __future__ import annotations

import shutil
import tempfile
import threading

import numpy as np

from vos.errors import OutputError
from vos.io.closing import Closing
from vos.io.queues import WriteBehind
from vos.io.read.random_access import RandomAccess
from vos.io.read.source import Source
from vos.io.results.append_file import AppendFile
from vos_cli.studio.pictures import Thumbnails, jpeg

_FAR_PIXELS = 100 * 10**6
"""On the way from a key frame: 12 frames of 4K, 48 of 1080p, 108 of 720p."""

_MOST_BYTES = 2**30
_MOST_OF_FREE = 4  # a quarter of what the disk has left
_WAITING = 2


class FarFrames(Closing):
    """The frames far from a key frame as the page is sent them, in a temporary file.

    A decoder needs a second or more for one of these in 4K footage, on the page as often as it is
    sought; when the clip is indexed they are decoded anyway. A thread of its own makes them. Past
    1 GiB, or a quarter of what the disk has left, no more are taken.
    """

    def __init__(self) -> None:
        self._room = _MOST_BYTES
        self._file: AppendFile | None = None
        self._places: dict[int, tuple[int, int]] = {}
        self._waiting: set[int] = set()
        self._changed = threading.Condition()
        self._behind = WriteBehind(self._write, _WAITING)

    def add(self, frame_idx: int, image: np.ndarray, way: int) -> None:
        """Keep a frame if it is far from a key frame.

        image: uint8 H x W x 3.
        way: how many frames it comes after the key frame before it.
        """
        if self._room <= 0 or way * image.shape[0] * image.shape[1] <= _FAR_PIXELS:
            return
        with self._changed:
            self._waiting.add(frame_idx)
        self._behind.put((frame_idx, image))

    def get(self, frame_idx: int) -> bytes | None:
        """Return the JPEG of a frame, None where it is not kept; wait while it is made."""
        with self._changed:
            self._changed.wait_for(lambda: frame_idx not in self._waiting)
            place = self._places.get(frame_idx)
            if place is None or self._file is None:
                return None
            try:
                return self._file.read(*place)
            except OSError:  # reading writes what waits, and the disk is full
                return None

    def _write(self, item: tuple[int, np.ndarray]) -> None:
        frame_idx, image = item
        try:
            data = jpeg(image)
            with self._changed:
                self._keep(frame_idx, data)
        except (OSError, OutputError, MemoryError):  # then it is decoded when it is sought
            self._room = 0
        finally:
            with self._changed:
                self._waiting.discard(frame_idx)
                self._changed.notify_all()

    def _keep(self, frame_idx: int, data: bytes) -> None:
        if self._file is None:
            self._file = AppendFile()
            free = shutil.disk_usage(tempfile.gettempdir()).free
            self._room = min(self._room, free // _MOST_OF_FREE)
        if len(data) <= self._room:
            self._places[frame_idx] = self._file.append(data), len(data)
        self._room -= len(data)

    def _finish(self) -> None:
        self._behind.abandon()
        with self._changed:
            self._places.clear()
            self._waiting.clear()
            self._changed.notify_all()
            if self._file is not None:
                self._file.abandon()


def read_for_page(source: Source, thumbnails: Thumbnails, far: FarFrames) -> RandomAccess:
    """Return the frames of a source; those of a video are also kept in `thumbnails` and `far`."""

    def keep(frame_idx: int, image: np.ndarray) -> None:
        thumbnails.add(frame_idx, image)
        far.add(frame_idx, image, frames.way_to(frame_idx))

    frames = RandomAccess(source, keep)
    return frames


def picture(frames: RandomAccess, far: FarFrames, frame_idx: int) -> bytes:
    """Return a frame as the page is sent it; wait until it is indexed.

    Raises UsageError if the footage has no such frame, InputError if it cannot be read.
    """
    frames.wait_for(frame_idx)
    return far.get(frame_idx) or jpeg(frames.read(frame_idx))
