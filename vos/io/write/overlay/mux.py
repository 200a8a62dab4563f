"""Encoded packets and the source's sound, joined into one MP4. Nothing is encoded here."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from vos.io.paths import display_name
from vos.io.results.append_file import AppendFile
from vos.io.write.overlay.audio import AudioCopy
from vos.io.write.overlay.encode import EncodedPacket, VideoForm

_HEADER = struct.Struct("<qqBI")  # pts, dts, is a key frame, bytes of data


def append_packet(file: AppendFile, packet: EncodedPacket) -> None:
    """Add a packet to the file. Raises OutputError."""
    head = _HEADER.pack(packet.pts, packet.dts, packet.is_keyframe, len(packet.data))
    file.append(head + packet.data)


def read_packets(file: AppendFile) -> Iterator[EncodedPacket]:
    """Yield what `append_packet` wrote, in the same order."""
    offset = 0
    while offset < file.length:
        pts, dts, is_keyframe, size = _HEADER.unpack(file.read(offset, _HEADER.size))
        data = file.read(offset + _HEADER.size, size)
        yield EncodedPacket(pts, dts, bool(is_keyframe), data)
        offset += _HEADER.size + size


class Mp4Joiner:
    """A writer of one MP4 from the packets in a file.

    first: ticks of the first frame.
    last: ticks of the last frame.
    last_period: ticks the last frame stays.
    audio_from: a file whose sound to copy, or None.
    audio_start_time: that file's container clock where frame time is 0, in seconds.
    warnings: one line each, complete once written.
    """

    def __init__(
        self,
        form: VideoForm,
        *,
        first: int,
        last: int,
        last_period: int,
        audio_from: Path | None,
        audio_start_time: Fraction,
    ) -> None:
        self._form = form
        self._first, self._last, self._last_period = first, last, last_period
        self._audio_from = audio_from
        self._audio_start_time = audio_start_time
        self._audio: AudioCopy | None = None
        self.warnings: list[str] = []

    def write(self, packets: AppendFile, path: Path) -> None:
        """Write the video to `path`. Raises OSError, FFmpegError or ValueError if it cannot."""
        try:
            self._write(packets, path, self._audio_from)
        except _SoundRefusedError as error:
            assert self._audio_from is not None
            self._write(packets, path, None)  # a full disk fails here again, and is reported
            self.warnings.append(
                f"{display_name(self._audio_from.name)}: its sound cannot be copied into an mp4 "
                f"({error}); the overlay is silent: mux the sound with another tool if needed"
            )
        with path.open("rb") as file:
            os.fsync(file.fileno())

    def _write(self, packets: AppendFile, path: Path, audio_from: Path | None) -> None:
        # Edit lists count in the movie's ticks, 1 ms by default: too coarse for a first pts.
        denominator = str(self._form.tick.denominator)
        options = {"movie_timescale": denominator, "video_track_timescale": denominator}
        with contextlib.ExitStack() as stack:
            output = av.open(str(path), "w", format="mp4", options=options)
            stack.callback(_close_quietly, output)
            video = output.add_stream(self._form.encoder.codec, rate=self._form.rate)
            assert isinstance(video, VideoStream)
            self._form.set_up(video.codec_context)
            video.time_base = self._form.tick
            try:
                if audio_from is not None:
                    first = self._first * self._form.tick
                    self._audio = AudioCopy(audio_from, output, self._audio_start_time, first)
                    stack.callback(self._audio.close)
                output.start_encoding()
            except (FFmpegError, ValueError) as error:
                if audio_from is None:
                    raise
                raise _SoundRefusedError(str(error)) from error
            self._mux(packets, output, video)
            output.close()  # writes the index: a full disk may only show here

    def _mux(self, packets: AppendFile, output: OutputContainer, video: VideoStream) -> None:
        shown = self._first
        for encoded in read_packets(packets):
            packet = Packet(encoded.data)
            packet.pts, packet.dts, packet.time_base = encoded.pts, encoded.dts, self._form.tick
            packet.duration = self._last_period  # matters for the last frame only
            packet.is_keyframe = encoded.is_keyframe
            packet.stream = video
            output.mux_one(packet)
            shown = max(shown, encoded.pts)
            self._copy_audio(output, shown * self._form.tick)
        self._copy_audio(output, (self._last + self._last_period) * self._form.tick)

    def _copy_audio(self, output: OutputContainer, until: Fraction) -> None:
        if self._audio is None:
            return
        self._audio.pump(output, until)
        if self._audio.problem is not None and self._audio_from is not None:
            self.warnings.append(
                f"{display_name(self._audio_from.name)}: its sound is damaged "
                f"({self._audio.problem}); the overlay is silent from {float(until):.1f} s on"
            )
            self._audio = None


class _SoundRefusedError(Exception):
    """The container does not take the source's sound."""


def _close_quietly(output: OutputContainer) -> None:
    with contextlib.suppress(FFmpegError, OSError, ValueError):
        output.close()
