"""One connection to a live source: a thread that receives frames until the source is lost."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.error import ExitError, FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vos.errors import VosError
from vos.io.closing import Closing
from vos.io.live.address import LiveAddress
from vos.io.live.buffer import FrameBuffer
from vos.io.live.open import has_own_times, open_stream
from vos.io.read.container import describe_video
from vos.io.read.container_file import reason
from vos.io.read.decode import Clock, decode_frames
from vos.io.read.orientation import read_display_matrix
from vos.io.read.source import SourceInfo

NEWEST = 2
"""Frames that wait where older ones are dropped."""

ENDED = "the source ended"

_ALL = 8
_JOIN_TIMEOUT_S = 1.0
_MICROSECOND = Fraction(1, 1_000_000)


@dataclass(frozen=True, slots=True)
class Received:
    """One frame as it came, not yet converted.

    frame: FFmpeg's.
    pts: seconds of the source's own clock; where it has none, of ours.
    received_s: seconds since 1970, when it was decoded.
    clock_s: the same on a clock that nobody sets.
    is_corrupt: the decoder reported damage, or the frame stands in for a lost one.
    """

    frame: VideoFrame
    pts: Fraction
    received_s: float
    clock_s: float
    is_corrupt: bool


class Connection(Closing):
    """A thread that opens a source and fills a buffer with what it sends.

    address: what to open.
    keeps_all: whether it waits for room in the buffer; else older frames are dropped.
    lost_after_s: seconds without data after which the source counts as lost; None: never.

    buffer: what was received; its end says why nothing comes any more.
    info: what the source sends; there once the buffer has given a frame.
    is_reached: whether the source was opened.
    error: what went wrong in our own code, to be raised by whoever takes the frames.

    Closing returns after a second even where the system holds the thread, which is a daemon.
    """

    def __init__(
        self, address: LiveAddress, *, keeps_all: bool, lost_after_s: float | None
    ) -> None:
        self._address, self._lost_after_s = address, lost_after_s
        self.buffer = FrameBuffer[Received](_ALL if keeps_all else NEWEST, drops=not keeps_all)
        self.info: SourceInfo | None = None
        self.is_reached = False
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="vos-live", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        address = self._address
        try:
            with open_stream(address, self._lost_after_s) as (container, stream):
                self.is_reached = True
                self._receive(container, stream)
            why = ENDED
        except VosError as error:
            why = self._explain(error)
        except Exception as error:
            self.error, why = error, "an internal error"
        if address.device_format is None:
            why = why.replace(address.text, address.shown)  # FFmpeg names passwords
        self.buffer.end(why)

    def _receive(self, container: InputContainer, stream: VideoStream) -> None:
        clock = Clock(stream) if has_own_times(container) else None
        for raw in decode_frames(container, stream):
            now = time.monotonic()
            if self.info is None and raw.is_corrupt:
                continue  # the source was met between two key frames
            if self.info is None:
                orientation = read_display_matrix(raw.frame).orientation()
                path = Path(self._address.shown)
                seen = describe_video(path, container, stream, raw.frame, orientation)
                self.info = replace(seen, kind="live", frame_count=None, duration=None)
            if clock is None:
                pts = round(now * 1_000_000) * _MICROSECOND
            else:
                pts = clock.stamp(raw.raw_pts)
            one = Received(raw.frame, pts, time.time(), now, raw.is_corrupt)
            if not self.buffer.put(one):
                return

    def _explain(self, error: VosError) -> str:
        """Say why reading failed; the message of a file's reader names the cause alone."""
        cause = error.__context__
        if not self.is_reached or not isinstance(cause, FFmpegError):
            return str(error)
        if isinstance(cause, ExitError):
            return f"nothing came for {self._lost_after_s:g} s"
        return reason(cause)

    def _finish(self) -> None:
        self.buffer.close()
        if self._thread is not threading.current_thread():
            self._thread.join(_JOIN_TIMEOUT_S)
