"""Any frame of a source by its index: the very pixels that reading forward gives."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Self

import numpy as np

from vos.errors import VosError
from vos.io.closing import Closing
from vos.io.read.container import ContainerSource
from vos.io.read.decode import Clock, Converter
from vos.io.read.forward import ForwardReader
from vos.io.read.source import Source, past_the_end
from vos.io.read.video_index import Unproved, VideoIndex

_CACHE_BYTES = 192 * 2**20
_STEP_BACK = 12

OnIndexed = Callable[[int, np.ndarray], None]


class RandomAccess(Closing):
    """A reader that gives the frames of one source in any order, to several threads.

    It is a context manager. A video is indexed in a thread of its own, and what is indexed can be
    read at once. It holds at most 192 MiB of frames, and one open file.
    """

    def __init__(self, source: Source, on_indexed: OnIndexed = lambda _idx, _image: None) -> None:
        """on_indexed: called with each frame of a video, in order, by the indexing thread."""
        self._source = source
        self._on_indexed = on_indexed
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()
        height, width = source.info.size_hw
        self._room = max(1, _CACHE_BYTES // (height * width * 3))
        self._index: VideoIndex | None = None
        self._reader: ForwardReader | None = None
        if isinstance(source, ContainerSource):
            self._index = VideoIndex(source.info.path, source.info, _ignore)
            self._reader = ForwardReader(source.info.path, source.info, self._index)
        self._is_complete = self._index is None
        self._count = 0 if self._index is not None else source.info.frame_count or 0
        self._error: VosError | None = None
        self._grown = threading.Condition()
        self._reading = threading.Lock()
        self._thread = threading.Thread(target=self._build, name="index", daemon=True)

    @property
    def count(self) -> int:
        """Return how many frames are known so far; all of them once `is_complete`."""
        return self._count

    @property
    def is_complete(self) -> bool:
        """Tell whether the whole footage was looked through."""
        return self._is_complete

    def seconds(self) -> np.ndarray | None:
        """Return the frames' times, as far as known; None where the source has none of its own."""
        return None if self._index is None else self._index.seconds()

    def read(self, frame_idx: int) -> np.ndarray:
        """Return a frame's image, uint8 H x W x 3 RGB, read-only; wait until it is indexed.

        Raises UsageError if the footage has no such frame, InputError if it cannot be read.
        """
        self.wait_for(frame_idx)
        with self._reading:
            image = self._cache.get(frame_idx)
            if image is None:
                image = self._fetch(frame_idx)
            self._cache.move_to_end(frame_idx)
            return image

    def way_to(self, frame_idx: int) -> int:
        """Return how many frames an indexed one comes after where decoding starts for it."""
        if self._index is None:
            return 0
        return frame_idx - (self._index.key_before(frame_idx) or 0)

    def wait_for(self, frame_idx: int) -> None:
        """Wait until a frame is indexed. Raises UsageError if the footage has no such frame."""
        with self._grown:
            self._grown.wait_for(lambda: self._is_complete or self.count > frame_idx)
        if not 0 <= frame_idx < self.count:
            raise self._error or past_the_end(self._source.info.path, frame_idx, self.count)

    def _fetch(self, frame_idx: int) -> np.ndarray:
        if self._reader is None:
            frame = next(self._source.frames(frame_idx, frame_idx + 1))
            return self._keep(frame_idx, frame.image)
        try:
            return self._follow(self._reader, frame_idx)
        except Unproved:
            low = max(0, frame_idx - min(_STEP_BACK, self._room - 1))
            for idx, image in enumerate(self._reader.read(low, frame_idx), low):
                self._keep(idx, image)
            return self._cache[frame_idx]

    def _follow(self, reader: ForwardReader, frame_idx: int) -> np.ndarray:
        """Decode from where the open file stands, if near, else from the key frame before."""
        # One step back is seldom the last: what lies before is kept too.
        is_step_back = frame_idx + 1 in self._cache
        before = min(_STEP_BACK, self._room - 1, frame_idx) if is_step_back else 0
        low = frame_idx - before
        if self._is_near(reader, frame_idx):
            low = max(low, reader.next_idx)
            reader.pass_over(low)
        else:
            reader.seek(low)
        for idx in range(low, frame_idx):
            self._keep(idx, reader.next_frame()())
        return self._keep(frame_idx, reader.next_frame()())

    def _is_near(self, reader: ForwardReader, frame_idx: int) -> bool:
        """Tell whether no key frame lies between where the open file stands and a frame."""
        if not 0 <= reader.next_idx <= frame_idx:
            return False
        key = reader.index.key_before(frame_idx)
        return reader.next_idx == frame_idx or key is None or key <= reader.next_idx

    def _keep(self, frame_idx: int, image: np.ndarray) -> np.ndarray:
        image.setflags(write=False)
        self._cache[frame_idx] = image
        while len(self._cache) > self._room:
            self._cache.popitem(last=False)
        return image

    def _build(self) -> None:
        assert self._index is not None
        try:
            for frame_idx, image in enumerate(self._index.build()):
                if not self._is_open:
                    break
                self._on_indexed(frame_idx, image)
                with self._grown:
                    self._count = frame_idx + 1
                    self._grown.notify_all()
        except VosError as error:
            self._error = error
        finally:
            with self._grown:
                self._is_complete = True
                self._grown.notify_all()

    def __enter__(self) -> Self:
        if self._index is not None:
            self._thread.start()
        return self

    def _finish(self) -> None:
        if self._thread.is_alive():
            self._thread.join()
        with self._reading:
            if self._reader is not None:
                self._reader.close()
            self._cache.clear()


def _ignore(_corrupt: list[int], _clock: Clock, _converter: Converter) -> None:
    """Do nothing: tracking warns of the same things."""
