"""What every reader of footage offers.

Time: `Frame.pts` counts from the first instant of the chosen video stream, exactly. The container's
own clock (which audio shares) reads `info.start_time + frame.pts`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from vos.errors import UsageError
from vos.frame import IMAGE_RATE as IMAGE_RATE  # readers take these two from here
from vos.frame import Frame
from vos.frame import video_frame_name as video_frame_name
from vos.io.closing import Closing
from vos.io.paths import display_name
from vos.io.timecode import format_time

Decoder = Literal["pyav", "decord"]

TimePoint = int | Fraction
"""A frame index (int) or seconds since the first frame's zero (Fraction)."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a source after opening it.

    path: absolute; for a glob, the pattern; for a live source, its address.
    kind: "video", "images" (folder or glob), "image" (one still) or "live".
    size_hw: height, width in stored pixels after turning and mirroring (EXIF orientation of
        stills); not stretched to a pixel aspect. Coordinates count these.
    frame_count: exact for images; for video an estimate (duration x average rate), never the
        header's frame count. None where the container does not say.
    average_rate: frames per second; for images the rate their timestamps assume, 24
        where nobody gave one.
    duration: seconds, exact as the container states it.
    start_time: container clock at pts 0, in seconds.
    time_base: seconds per tick of the container's timestamps; None for images.
    rotation_deg: counter-clockwise turn already applied to the frames: 0, 90, 180 or 270.
    is_mirrored: whether left and right were then exchanged.
    is_rate_given: whether the rate of images was given, not assumed.
    is_vfr: whether frame intervals vary; None until the packets were read (`vos.io.read.scan`).
    container: FFmpeg's name of the container format; None for stills.
    codec: FFmpeg's name of the codec; for stills the file format.
    pixel_format: FFmpeg's name; for stills Pillow's mode.
    pixel_aspect: width / height of one pixel as stored; noted, never applied.
    color_space: how the pixels are read: "bt709", "bt601 (assumed)", ..., "rgb" or "grey"; None for
        stills.
    transfer: transfer function: "bt709", "pq", "hlg", ...; None where the file does not say. PQ
        and HLG are tone-mapped, so frames are SDR.
    primaries: "bt709", "bt2020", ...; None where the file does not say.
    color_range: "limited" or "full"; None where the file does not say.
    has_audio: whether the file has sound.
    video_stream: index of the stream that is read; None for stills.
    video_stream_count: how many video streams the file has.
    names: output stems of an image sequence; None for video, whose names are "00000", "00001", ...
    """

    path: Path
    kind: Literal["video", "images", "image", "live"]
    size_hw: tuple[int, int]
    frame_count: int | None
    average_rate: Fraction | None
    duration: Fraction | None
    start_time: Fraction = Fraction(0)
    time_base: Fraction | None = None
    rotation_deg: int = 0
    is_mirrored: bool = False
    is_rate_given: bool = False
    is_vfr: bool | None = None
    container: str | None = None
    codec: str | None = None
    pixel_format: str | None = None
    color_space: str | None = None
    transfer: str | None = None
    primaries: str | None = None
    color_range: str | None = None
    pixel_aspect: Fraction = Fraction(1)
    has_audio: bool = False
    video_stream: int | None = None
    video_stream_count: int = 0
    names: tuple[str, ...] | None = None

    @property
    def is_hdr(self) -> bool:
        """Tell whether the footage is PQ or HLG, which frames no longer are."""
        return self.transfer in ("pq", "hlg")

    @property
    def frame_pixel_aspect(self) -> Fraction:
        """Return the width / height of one pixel of the frames, that is, after the turn."""
        return 1 / self.pixel_aspect if self.rotation_deg % 180 else self.pixel_aspect


class Source(Closing):
    """Footage that can be read any number of times, forward and backward.

    warnings: one line each: truncation, damage, repaired times; complete once iteration ended.
    notices: one line each: how the input was read where that is not plain; complete after opening.
    Nothing stays open between iterations: each opens and closes its own reader, so closing a source
    releases nothing.
    """

    info: SourceInfo
    warnings: list[str]
    notices: tuple[str, ...] = ()

    def frames(
        self, start: TimePoint | None = None, end: TimePoint | None = None, *, skip_to: int = 0
    ) -> Iterator[Frame]:
        """Yield the frames from `start` (inclusive) to `end` (exclusive), in presentation order.

        skip_to: frames with a lower index are gone through, so that times, damage and warnings are
        those of the whole, but not given.

        `frame_idx` always counts from the beginning of the footage. A generator: closing it
        closes the file. Raises UsageError if `start` is past the last frame or not before `end`,
        InputError if the footage cannot be read.
        """
        check_range(start, end)
        return self._frames(start, end, skip_to)

    def frames_reversed(
        self, start: int, end: int | None = None, *, skip_to: int | None = None
    ) -> Iterator[Frame]:
        """Yield the same frames from index `start` down to `end` (inclusive, default 0).

        skip_to: frames with a higher index are not given, as in `frames`.

        Holds a bounded number of frames. Raises as `frames`.
        """
        last = check_reversed_range(start, end)
        top = start if skip_to is None else min(skip_to, start)
        return self._frames_reversed(start, last, top)

    def _finish(self) -> None:
        """Nothing is open: each iteration closes its own reader."""

    @abstractmethod
    def _frames(
        self, start: TimePoint | None, end: TimePoint | None, skip_to: int
    ) -> Iterator[Frame]:
        """Do what `frames` does, for a checked range."""

    @abstractmethod
    def _frames_reversed(self, start: int, last: int, skip_to: int) -> Iterator[Frame]:
        """Do what `frames_reversed` does, for a checked range; give frames from `skip_to` on."""


def check_range(start: TimePoint | None, end: TimePoint | None) -> None:
    """Raise UsageError unless both are None, int or Fraction, not negative, and start < end."""
    for label, point in (("start", start), ("end", end)):
        if point is None:
            continue
        if not isinstance(point, (int, Fraction)):
            raise UsageError(
                f"{label} {point!r}: a time is a frame index (int) or exact seconds (Fraction)"
            )
        if point < 0:
            raise UsageError(f"{label} {format_time(point)}: a time is never negative")
    if start is None or end is None or isinstance(start, int) is not isinstance(end, int):
        return
    if start >= end:
        raise UsageError(
            f"start {format_time(start)} is not before end {format_time(end)} (end is exclusive)"
        )


def check_reversed_range(start: int, end: int | None) -> int:
    """Return the last index to give when going backward.

    Raises UsageError unless 0 <= end <= start.
    """
    check_range(start, None)
    check_range(end, None)
    last = 0 if end is None else end
    if last > start:
        raise UsageError(f"start {start}f is before end {last}f; going backward it comes after")
    return last


def is_before(frame_idx: int, pts: Fraction, point: TimePoint | None) -> bool:
    """Tell whether a frame comes before `point`; False for None."""
    if point is None:
        return False
    return frame_idx < point if isinstance(point, int) else pts < point


def past_the_end(path: Path, start: TimePoint, frame_count: int) -> UsageError:
    """Make the error for a `start` after the last frame."""
    return UsageError(
        f"start {format_time(start)} is past the end: {display_name(path.name)} has "
        f"{frame_count} frames, so the last is {max(frame_count - 1, 0)}f"
    )
