"""Reading a video file backward in bounded memory: indexed once, then chunk after chunk."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from vos.frame import Frame
from vos.io.read.forward import ForwardReader
from vos.io.read.source import SourceInfo, past_the_end, video_frame_name
from vos.io.read.video_index import OnEnd, VideoIndex

_CHUNK_FRAMES = 32
_CHUNK_BYTES = 256 * 2**20


class BackwardReader:
    """A reader that gives the frames of one video in descending order."""

    def __init__(self, path: Path, info: SourceInfo, on_end: OnEnd) -> None:
        """on_end: called as `VideoIndex` calls it."""
        height, width = info.size_hw
        self._chunk = max(1, min(_CHUNK_FRAMES, _CHUNK_BYTES // (height * width * 3)))
        self._path, self._info = path, info
        self._index = VideoIndex(path, info, on_end)

    def frames(self, start: int, last: int, skip_to: int) -> Iterator[Frame]:
        """Yield frames `start` down to `last`, both inclusive, without those above `skip_to`.

        Raises UsageError if the footage has no frame `start`, InputError if reading fails.
        """
        with ForwardReader(self._path, self._info, self._index) as reader:
            yield from self._frames(reader, start, last, skip_to)

    def _frames(
        self, reader: ForwardReader, start: int, last: int, skip_to: int
    ) -> Iterator[Frame]:
        index = self._index
        newest = deque(index.build(last, start + 1), maxlen=min(self._chunk, start - last + 1))
        if len(index) <= start:
            raise past_the_end(self._path, start, len(index))
        images = list(newest)
        newest.clear()
        corrupt = frozenset(index.corrupt)
        top = start
        if skip_to <= start - len(images):
            top = skip_to
            images = reader.read(max(last, top - self._chunk + 1), top)
        while True:
            low = top - len(images) + 1
            while top > skip_to:
                images.pop()
                top -= 1
            for frame_idx in range(top, low - 1, -1):
                name = video_frame_name(frame_idx)
                pts = index.pts(frame_idx)
                yield Frame(images.pop(), pts, frame_idx, name, frame_idx in corrupt)
            if low == last:
                return
            top = low - 1
            images = reader.read(max(last, top - self._chunk + 1), top)
