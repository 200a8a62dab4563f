"""The sound of a video as samples, from any place on, for playing beside its frames."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard

from vos.errors import InputError
from vos.io.closing import Closing
from vos.io.paths import display_name
from vos.io.read.container_file import open_container, reason

_RATES_HZ = range(8_000, 96_001)  # browsers promise to take these
_OTHER_RATE_HZ = 48_000
_BEFORE_S = Fraction(1, 2)  # decoded and dropped: decoders and filters need a beginning
_JUMP_S = Fraction(1, 20)  # where time stamps are further off than this, they are meant


class SoundReader(Closing):
    """A reader of one file's sound, at the times of its frames; several threads may use it.

    What follows on what was read last is decoded on; for anything else it seeks. It holds one open
    file and about a packet of samples, however long the sound is.

    rate: samples a second.
    channels: 1 or 2; more are mixed down.
    """

    def __init__(self, path: Path, start_time: Fraction) -> None:
        """Open the file and decode the beginning of its sound.

        start_time: the file's own clock where frame time is 0, in seconds.

        Raises InputError where there is no sound or none that can be decoded.
        """
        self._path, self._start_time = path, start_time
        self._reading = threading.Lock()
        self._resources = ExitStack()
        self._blocks: Iterator[tuple[int, np.ndarray]] = iter(())
        self._left: tuple[int, np.ndarray] | None = None
        self._next = -1
        try:
            self._container = open_container(path, self._resources)
            self._stream = self._find_stream(self._container)
            first = next(self._decode(), None)
        except FFmpegError as error:
            self._resources.close()
            raise self._unreadable(reason(error)) from error
        except BaseException:
            self._resources.close()
            raise
        if first is None:
            self._resources.close()
            raise self._unreadable(f"nothing of codec {self._stream.codec_context.name} decodes")
        rate = first.sample_rate
        self.rate = rate if rate in _RATES_HZ else _OTHER_RATE_HZ
        self.channels = min(2, first.layout.nb_channels)

    def read(self, first: int, count: int) -> np.ndarray:
        """Return samples from index `first` on, int16 of count x channels.

        Sample `i` belongs to frame time `i / rate`. There is silence where the file has nothing,
        also before its beginning and after its end, and where it is damaged. Raises InputError
        where the file lets nobody go to a place in it.
        """
        samples = np.zeros((count, self.channels), np.int16)
        with self._reading:
            if first != self._next:
                self._blocks, self._left = self._blocks_from(first), None
            end, self._next = first + count, -1  # an error leaves no place to go on from
            while (block := self._left or next(self._blocks, None)) is not None:
                self._left = None
                at, heard = block
                if at >= end:
                    self._left = block
                    break
                low, top = max(at, first), min(at + len(heard), end)
                if low < top:
                    samples[low - first : top - first] = heard[low - at : top - at]
                if at + len(heard) > end:
                    self._left = block
                    break
            self._next = end
        return samples

    def _find_stream(self, container: InputContainer) -> AudioStream:
        stream = container.streams.best("audio")
        if not isinstance(stream, AudioStream):
            raise InputError(f"{display_name(self._path)}: has no sound")
        if stream.codec_context is None:  # pyright: ignore[reportUnnecessaryComparison]
            raise self._unreadable("FFmpeg here has no decoder for it")
        for other in container.streams:
            if other.index != stream.index:
                other.discard = Discard.all  # hours of pictures need not be read
        return stream

    def _blocks_from(self, first: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield samples and the index of their first one, from about `first` on."""
        begin = self._start_time + Fraction(first, self.rate) - _BEFORE_S
        try:
            self._container.seek(max(0, int(begin * av.time_base)), backward=True)
        except FFmpegError as error:
            raise self._unreadable(reason(error)) from error
        layout = "mono" if self.channels == 1 else "stereo"
        resampler = av.AudioResampler("s16", layout, self.rate)
        at: int | None = None
        for frame in self._decode():
            for heard in resampler.resample(frame):
                samples = heard.to_ndarray().reshape(-1, self.channels)
                if heard.pts is not None and heard.time_base is not None:
                    stamped = (heard.pts * heard.time_base - self._start_time) * self.rate
                    if at is None or abs(stamped - at) > _JUMP_S * self.rate:
                        at = round(stamped)
                if at is not None:
                    yield at, samples
                    at += len(samples)

    def _decode(self) -> Iterator[AudioFrame]:
        """Yield what decodes from where the file stands; damaged packets are left out."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
            except FFmpegError:
                return
            try:
                frames = packet.decode()
            except FFmpegError:
                continue
            yield from (frame for frame in frames if isinstance(frame, AudioFrame))

    def _unreadable(self, why: str) -> InputError:
        return InputError(f"{display_name(self._path)}: its sound cannot be read ({why})")

    def _finish(self) -> None:
        with self._reading:
            self._blocks, self._left, self._next = iter(()), None, -1
            self._resources.close()
