"""The source's sound, packet by packet, into another container: not decoded, not re-encoded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet

from vos.io.read.container_file import open_container


class AudioCopy:
    """A copy of every audio stream of `path` between two times, in step with the frames.

    start_time: the source's container clock where frame time is 0, in seconds.
    first: time of the first frame, in seconds. Packets that end before it are left out; the one
        that ends there is kept, as decoders need it to begin cleanly.
    problem: why the sound ended early, or None; damage in the source is no error.

    Raises FFmpegError when the source cannot be opened, ValueError when the output format
    cannot hold one of its codecs.
    """

    def __init__(
        self, path: Path, output: OutputContainer, start_time: Fraction, first: Fraction
    ) -> None:
        self._resources = contextlib.ExitStack()
        try:
            source = open_container(path, self._resources)
            self._targets: dict[int, AudioStream] = {
                stream.index: output.add_stream_from_template(stream)
                for stream in source.streams.audio
            }
            self._start_time, self._first = start_time, first
            if first > 0:
                source.seek(int((start_time + first) * av.time_base))
            self._packets = self._shift(source)
            self.problem: str | None = None
            self._waiting: Packet | None = None
        except BaseException:
            self._resources.close()
            raise

    def pump(self, output: OutputContainer, until: Fraction) -> None:
        """Mux the packets that begin before `until`, in seconds.

        Raises FFmpegError when they cannot be written.
        """
        while True:
            packet = self._waiting or next(self._packets, None)
            self._waiting = None
            if packet is None:
                return
            if packet.dts * packet.time_base >= until:  # pyright: ignore[reportOptionalOperand]
                self._waiting = packet
                return
            output.mux_one(packet)

    def close(self) -> None:
        self._resources.close()

    def _read(self, source: InputContainer) -> Iterator[Packet]:
        try:
            yield from source.demux(source.streams.audio)
        except FFmpegError as error:
            self.problem = error.strerror or str(error)

    def _shift(self, source: InputContainer) -> Iterator[Packet]:
        latest: dict[int, int] = {}
        for packet in self._read(source):
            if packet.dts is None or packet.pts is None:
                continue
            if packet.dts <= latest.get(packet.stream_index, packet.dts - 1):
                continue  # a clock that jumps back: no container takes it
            latest[packet.stream_index] = packet.dts
            tick = packet.time_base
            shift = round(self._start_time / tick)
            packet.pts -= shift
            packet.dts -= shift
            if (packet.pts + (packet.duration or 0)) * tick < self._first:
                continue
            packet.stream = self._targets[packet.stream_index]
            yield packet
