"""The overlay video: the source with the objects drawn over it, at the source's times."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from vos.frame import Frame, FrameResult
from vos.io.audio_copy import AudioCopy
from vos.io.disk import output_errors
from vos.io.overlay_draw import draw_overlay
from vos.io.paths import display_name
from vos.io.sink import SinkBase

_HD_LINES = 720
_FALLBACK_TICK = Fraction(1, 90_000)


class OverlaySink(SinkBase):
    """H.264 in MP4 (x264 veryfast, crf 18, yuv420p), tagged BT.709 from 720 lines on, else BT.601.

    Pictures keep their exact times, variable rates included; an odd width or height is made even
    by repeating the last column or row. Sound is copied for the time covered by the pictures; where
    it cannot be, the video is made without and `warnings` says so. Without any frame there is no
    file. Frames come in presentation order.

    path: the file to write.
    time_base: seconds per tick of the source, so that every time is a whole number of ticks;
        None where it has none: 1 / frame_rate is used then.
    frame_rate: frames per second, about; tells how long the last picture stays.
    audio_from: a file whose sound to copy, or None.
    audio_start_time: that file's container clock where picture time is 0, in seconds.
    """

    def __init__(
        self,
        path: Path,
        *,
        time_base: Fraction | None = None,
        frame_rate: Fraction | None = None,
        audio_from: Path | None = None,
        audio_start_time: Fraction = Fraction(0),
    ) -> None:
        super().__init__()
        self._path = path
        self._tick = time_base or (1 / frame_rate if frame_rate else _FALLBACK_TICK)
        self._period = max(1, round(1 / frame_rate / self._tick)) if frame_rate else 1
        self._rate = frame_rate
        self._audio_from = audio_from
        self._audio_start_time = audio_start_time
        self._output: OutputContainer | None = None
        self._audio: AudioCopy | None = None
        self._last: int | None = None

    def write(self, frame: Frame, result: FrameResult) -> None:
        self._check(frame, result)
        ticks = round(frame.pts / self._tick)
        if self._last is not None and ticks <= self._last:
            raise ValueError(f"frames must come in presentation order: {frame.pts=} {self._last=}")
        with output_errors(self._path):
            if self._output is None:
                self._open(frame)
            picture = _to_yuv(draw_overlay(frame.image, result.label_map))
            picture.pts, picture.time_base = ticks, self._tick
            self._encode(picture)
            self._copy_audio(frame.pts)
        if self._last is not None:
            self._period = ticks - self._last
        self._last = ticks

    def _open(self, frame: Frame) -> None:
        try:
            self._start(frame, self._audio_from)
        except (FFmpegError, ValueError) as error:
            if self._audio_from is None:
                raise
            self._free()
            self._start(frame, None)  # a full disk fails here again, and is reported
            self.warnings.append(
                f"{display_name(self._audio_from.name)}: its sound cannot be copied into an mp4 "
                f"({error}); the overlay is silent: mux the sound with another tool if needed"
            )

    def _start(self, frame: Frame, audio_from: Path | None) -> None:
        # Edit lists count in the movie's ticks, 1 ms by default: too coarse for a first pts.
        options = {
            "movie_timescale": str(self._tick.denominator),
            "video_track_timescale": str(self._tick.denominator),
        }
        self._output = av.open(str(self._path), "w", format="mp4", options=options)
        self._video = _video_stream(self._output, frame.size_hw, self._tick, self._rate)
        if audio_from is not None:
            self._audio = AudioCopy(
                audio_from, self._output, self._audio_start_time, first=frame.pts
            )
        self._output.start_encoding()

    def _encode(self, picture: av.VideoFrame | None) -> None:
        assert self._output is not None
        for packet in self._video.encode(picture):
            packet.duration = self._period  # matters for the last picture only
            self._output.mux_one(packet)

    def _copy_audio(self, until: Fraction) -> None:
        if self._audio is None:
            return
        assert self._output is not None
        self._audio.pump(self._output, until)
        if self._audio.problem is not None and self._audio_from is not None:
            self.warnings.append(
                f"{display_name(self._audio_from.name)}: its sound is damaged "
                f"({self._audio.problem}); the overlay is silent from {float(until):.1f} s on"
            )
            self._audio.close()
            self._audio = None

    def _finish(self) -> None:
        if self._output is None or self._last is None:
            return
        with output_errors(self._path):
            try:
                self._encode(None)
                self._copy_audio((self._last + self._period) * self._tick)
                self._output.close()  # writes the index: a full disk may only show here
            finally:
                self._free()

    def _abandon(self) -> None:
        self._free()

    def _free(self) -> None:
        with contextlib.suppress(FFmpegError, OSError, ValueError):
            if self._audio is not None:
                self._audio.close()
        with contextlib.suppress(FFmpegError, OSError, ValueError):
            if self._output is not None:
                self._output.close()
        self._audio = self._output = None


def _video_stream(
    output: OutputContainer, size_hw: tuple[int, int], tick: Fraction, rate: Fraction | None
) -> VideoStream:
    height, width = size_hw
    stream = output.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "18"})
    stream.width, stream.height = width + width % 2, height + height % 2
    stream.pix_fmt = "yuv420p"
    stream.time_base = tick
    context = stream.codec_context
    context.time_base = tick
    context.thread_type = "FRAME"
    is_hd = stream.height >= _HD_LINES
    context.color_range = ColorRange.MPEG
    context.colorspace = Colorspace.ITU709 if is_hd else Colorspace.ITU601
    context.color_primaries = ColorPrimaries.BT709 if is_hd else ColorPrimaries.SMPTE170M
    context.color_trc = ColorTrc.BT709 if is_hd else ColorTrc.SMPTE170M
    return stream


def _to_yuv(image: np.ndarray) -> av.VideoFrame:
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    matrix = Colorspace.ITU709 if image.shape[0] >= _HD_LINES else Colorspace.ITU601
    return av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
        format="yuv420p", dst_colorspace=matrix, dst_color_range=ColorRange.MPEG
    )
