"""A camera or a stream as frames: the newest ones, or all, across times at which it is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Literal, get_args

from vos.errors import InputError, Parameter, UsageError
from vos.frame import Frame, video_frame_name
from vos.io.closing import Closing
from vos.io.live.address import LiveAddress, find_address
from vos.io.live.connection import ENDED, Connection, Received
from vos.io.live.waits import Waits
from vos.io.paths import display_name
from vos.io.read.decode import Converter
from vos.io.read.source import SourceInfo

Drop = Literal["old", "none"]
"""What happens to frames that come faster than they are taken: older ones go, or the source waits.
"""

RECONNECT_S = 60.0
LOST_AFTER_S = 10.0

_LOOK_S = 0.1
"""How often a wait looks whether it was stopped: a signal's handler can take no lock."""

_LEAST_STEP = Fraction(1, 1000)

_JUMP_S = 10
"""So far ahead, and not in as much time, no frame is: the source's clock was set."""


@dataclass(frozen=True, slots=True)
class LiveFrame(Frame):
    """One frame of a live source.

    received_s: when it was received, in seconds since 1970.
    dropped_before: how many frames came between the frame before and this one and were dropped.
    """

    received_s: float = 0.0
    dropped_before: int = 0

    @property
    def received_at(self) -> str:
        """Return `received_s` in UTC, as ISO 8601 to a millisecond."""
        return datetime.fromtimestamp(self.received_s, UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True)
class Loss:
    """A time at which the source was lost.

    frame_idx: of the first frame after it; None where none came any more.
    lost_s: seconds until that frame, or until it was given up.
    why: what was wrong, in a few words.
    """

    frame_idx: int | None
    lost_s: float
    why: str


class LiveSource(Closing):
    """A camera or a stream: an iterable of frames that is taken once. Made with `open_live`.

    address: how it is called in messages, without passwords.
    info: what it sends.
    dropped: how many frames were dropped, those before the first that was taken included.
    losses: when it was lost.
    warnings: one line each: why it ended where that was not asked for.

    A frame's `pts` counts from the first one taken. It follows the source's clock, and ours where
    the source has none, across a loss, and where the source's leaps by more than 10 s; it grows by
    a millisecond at least.
    """

    def __init__(
        self,
        address: LiveAddress,
        *,
        drop: Drop = "old",
        reconnect_s: float = RECONNECT_S,
        lost_after_s: float = LOST_AFTER_S,
        on_event: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._address = address
        self._keeps_all = drop == "none"
        self._reconnect_s = reconnect_s if address.comes_again else 0.0
        self._lost_after_s = lost_after_s if address.comes_again else None
        self._on_event = on_event
        self._is_stopped = self._is_begun = False
        self.address = address.shown
        self.dropped = 0
        self.losses: list[Loss] = []
        self.warnings: list[str] = []
        self._connection = self._connect()
        try:
            first = self._take()
            if isinstance(first, str):
                is_named = first.startswith(f"{self.address}: ")
                raise InputError(first if is_named else f"{self.address}: no frame came: {first}")
            assert self._connection.info is not None
            self.info: SourceInfo = self._connection.info
        except BaseException:
            self._connection.close()
            raise
        self._first = first
        self._converter = Converter(self.info)

    def stop(self) -> None:
        """End the frames after the one that is worked on; a signal's handler may call it."""
        self._is_stopped = True

    def __iter__(self) -> Iterator[LiveFrame]:
        """Yield the frames until the source is lost for good, is stopped or changes its size."""
        if self._is_begun:
            raise UsageError(f"{self.address}: a live source is read once; open it again")
        self._is_begun = True
        return self._frames()

    def _frames(self) -> Iterator[LiveFrame]:
        found = self._first
        if not self._keeps_all:  # what has come since it was opened is newer
            newer = self._connection.buffer.take(0)
            if newer is not None and not isinstance(newer, str):
                found = newer[0], found[1] + newer[1] + 1
        del self._first
        zero, begun_s, base = found[0].pts, found[0].clock_s, Fraction(0)
        last: Fraction | None = None
        frame_idx = 0
        while not self._is_stopped:
            received, dropped = found
            if not self._fits(received):
                return
            pts = base + received.pts - zero
            pts = pts if last is None else max(pts, last + _LEAST_STEP)
            self.dropped += dropped
            last = pts
            image = self._converter.to_rgb(received.frame)
            name = video_frame_name(frame_idx)
            is_corrupt = received.is_corrupt
            yield LiveFrame(
                image,
                pts,
                frame_idx,
                name,
                is_corrupt,
                received_s=received.received_s,
                dropped_before=dropped,
            )
            before = received.pts, received.clock_s
            del image, received  # not held while the next one is awaited
            frame_idx += 1
            taken = self._take()
            if isinstance(taken, str):
                again = self._recover(frame_idx, taken)
                if again is None:
                    return
                taken = again
                zero = taken[0].pts
                base = Fraction(round((taken[0].clock_s - begun_s) * 1000), 1000)
            else:
                base -= self._find_leap(frame_idx, before, taken[0])
            found = taken

    def _find_leap(
        self, frame_idx: int, before: tuple[Fraction, float], received: Received
    ) -> Fraction:
        """Return by how much the source's clock leapt since the frame before; 0 where it did not.

        before: that frame's time by the source's clock, and by ours.
        """
        gap = received.pts - before[0]
        passed = Fraction(round((received.clock_s - before[1]) * 1000), 1000)
        if gap <= max(_JUMP_S, 2 * passed):
            return Fraction(0)
        rate = self.info.average_rate
        leap = gap - max(passed, 1 / rate if rate else _LEAST_STEP)
        text = f"{self.address}: its clock leapt ahead by {float(leap):.0f} s"
        self.warnings.append(f"{text} at frame {frame_idx}; times go on without that")
        return leap

    def _connect(self) -> Connection:
        return Connection(self._address, keeps_all=self._keeps_all, lost_after_s=self._lost_after_s)

    def _take(self) -> tuple[Received, int] | str:
        """Wait for the next frame; return why none comes any more instead."""
        patience_s = self._lost_after_s
        begun = time.monotonic()
        while not self._is_stopped:
            taken = self._connection.buffer.take(_LOOK_S)
            if self._connection.error is not None:
                raise self._connection.error
            if taken is not None:
                return taken
            # The reading thread sees this by itself, unless the system holds it.
            waited = time.monotonic() - begun
            if patience_s is not None and waited > (1 if self._connection.is_reached else 2) * (
                patience_s + 1
            ):
                return f"no frame came for {patience_s:g} s"
        return "stopped"

    def _recover(self, frame_idx: int, why: str) -> tuple[Received, int] | None:
        """Connect again; return the first frame then, or None where the source is gone for good."""
        lost_at = time.monotonic()
        waits = Waits(self._reconnect_s)
        first_why = why
        if not self._is_stopped and self._reconnect_s > 0:
            self._on_event(
                f"{self.address}: lost after {frame_idx} frames ({why}); trying again for "
                f"{self._reconnect_s:g} s"
            )
        while not self._is_stopped:
            self._connection.close()
            wait = waits.next_s()
            if wait is None:
                break
            self._pause(wait)
            if self._is_stopped:
                break
            self._connection = self._connect()
            taken = self._take()
            if not isinstance(taken, str):
                lost_s = time.monotonic() - lost_at
                self.losses.append(Loss(frame_idx, round(lost_s, 3), first_why))
                self._on_event(f"{self.address}: back after {lost_s:.1f} s")
                return taken
            why = taken.removeprefix(f"{self.address}: ")
        if self._is_stopped or (first_why == ENDED and not waits.tries):
            return None
        lost_s = time.monotonic() - lost_at
        self.losses.append(Loss(None, round(lost_s, 3), first_why))
        tried = f"; {waits.tries} tries in {lost_s:.0f} s: {why}" if waits.tries else ""
        self.warnings.append(f"{self.address}: ended after {frame_idx} frames ({first_why}{tried})")
        return None

    def _fits(self, received: Received) -> bool:
        """Tell whether a frame has the first one's size; warn where not."""
        height, width = self.info.size_hw
        stored = (width, height) if self.info.rotation_deg % 180 == 0 else (height, width)
        frame = received.frame
        if (frame.width, frame.height) == stored:
            return True
        self.warnings.append(
            f"{self.address}: the size changed from {stored[0]} x {stored[1]} to {frame.width} x "
            f"{frame.height}; the track ends before that, begin another one for what follows"
        )
        return False

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._is_stopped and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_S))

    def _finish(self) -> None:
        self._is_stopped = True
        self._connection.close()


def open_live(
    address: str,
    *,
    drop: Drop = "old",
    reconnect_s: float = RECONNECT_S,
    lost_after_s: float = LOST_AFTER_S,
    on_event: Callable[[str], None] = lambda _text: None,
) -> LiveSource:
    """Open a camera or a stream and wait for its first frame.

    address: a URL with rtsp, rtsps, rtmp, rtmps, tcp, udp, srt, or http(s) where it has no end; a
        device, `/dev/video0`, `v4l2:NAME`, `avfoundation:NAME` or `dshow:NAME`; or `-`, the
        standard input.
    drop: "old" keeps the newest frames only, so that a result is never old; "none" lets the source
        wait, where it can.
    reconnect_s: seconds for which a lost source is tried again; 0 ends with it.
    lost_after_s: seconds without a frame after which it counts as lost.
    on_event: told when the source is lost and when it is back, one line each.

    Raises InputError where nothing live can be read there, UsageError for other values than these.
    """
    if drop not in get_args(Drop):
        raise UsageError(
            f"drop {drop!r}: not one of {', '.join(get_args(Drop))}; correct ", Parameter("drop")
        )
    if not (0 <= reconnect_s < float("inf") and 0 < lost_after_s < float("inf")):
        raise UsageError(
            f"{reconnect_s = }, {lost_after_s = }: both are seconds, and a source is lost after "
            "more than none"
        )
    found = find_address(os.fspath(address))
    if found is None:
        raise InputError(
            f"{display_name(os.fspath(address))}: not the address of a live source; give a URL "
            "such as rtsp://HOST/PATH, a device such as /dev/video0, or -; vos.open_source opens "
            "files"
        )
    return LiveSource(
        found, drop=drop, reconnect_s=reconnect_s, lost_after_s=lost_after_s, on_event=on_event
    )
