"""Reading an indexed video file from any frame on, in one file that stays open."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from vos.io.closing import Closing
from vos.io.read.decode import Converter, RawFrame, decode_frames, open_video
from vos.io.read.source import SourceInfo
from vos.io.read.video_index import ToRgb, Unproved, VideoIndex


class ForwardReader(Closing):
    """A reader that gives the frames of one video from any on, each proved by the index.

    The file is opened once: finding out what it holds takes as long as decoding several frames.

    index: of the video.
    next_idx: the frame that `next_frame` gives; -1 where the file stands nowhere.
    """

    def __init__(self, path: Path, info: SourceInfo, index: VideoIndex) -> None:
        self._path, self.index = path, index
        self._converter = Converter(info)
        self._opened = ExitStack()
        self._file: tuple[InputContainer, VideoStream] | None = None
        self._raws: Iterator[RawFrame] = iter(())
        self.next_idx = -1

    def seek(self, frame_idx: int) -> None:
        """Stand before a frame, as the key frame before it allows. Raises Unproved."""
        key = self.index.key_before(frame_idx)
        if key is None:
            raise Unproved
        self._seek(key, frame_idx)

    def pass_over(self, frame_idx: int) -> None:
        """Stand before a later frame; of those on the way, only what others are made from is
        decoded from here on.
        """
        self.next_idx = frame_idx

    def next_frame(self) -> ToRgb:
        """Decode the next frame, which is indexed; return what converts it.

        Convert it before asking for another.

        Raises Unproved, in both steps, where seeking cannot be trusted; `read` can be then.
        """
        frame_idx = self.next_idx
        begin = self.index.ticks(frame_idx)
        for raw in self._raws:
            if raw.raw_pts is None or raw.raw_pts < begin:
                continue
            if raw.raw_pts != begin:
                break
            self.next_idx += 1
            return partial(self._to_proved_rgb, raw, frame_idx)
        raise self._distrust()

    def read(self, low: int, top: int) -> list[np.ndarray]:
        """Return frames `low` to `top`, both inclusive, ascending."""
        keys = list(self.index.keys_before(low))
        for key in (*keys[:1], *keys) if self.index.leaves_out else keys:
            try:
                self._seek(key, low)
                return [self.next_frame()() for _ in range(low, top + 1)]
            except Unproved:
                continue
        return self._read_from_beginning(low, top)

    def _read_from_beginning(self, low: int, top: int) -> list[np.ndarray]:
        with open_video(self._path) as (container, stream):
            raws = islice(decode_frames(container, stream), low, top + 1)
            return [self._converter.to_rgb(raw.frame) for raw in raws]

    def _seek(self, key: int, frame_idx: int) -> None:
        self._raws = iter(())
        if self._file is None:
            self._file = self._opened.enter_context(open_video(self._path))
        container, stream = self._file
        try:
            container.seek(self.index.ticks(key), stream=stream)
        except FFmpegError:
            self._close_file()
            raise Unproved from None
        self.next_idx = frame_idx
        self._raws = decode_frames(container, stream, needed_from=self._needed_from)

    def _needed_from(self) -> int | None:
        return self.index.ticks(self.next_idx) if self.index.leaves_out else None

    def _to_proved_rgb(self, raw: RawFrame, frame_idx: int) -> np.ndarray:
        image = self._converter.to_rgb(raw.frame)
        if zlib.crc32(image.data) != self.index.checksum(frame_idx):
            raise self._distrust()
        return image

    def _distrust(self) -> Unproved:
        """Leave out no frame any more: perhaps others are made from it. Return the error."""
        self.index.leaves_out = False
        self._close_file()
        return Unproved()

    def _close_file(self) -> None:
        self._raws, self._file, self.next_idx = iter(()), None, -1
        self._opened.close()

    def _finish(self) -> None:
        self._close_file()
