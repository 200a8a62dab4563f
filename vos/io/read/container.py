"""Video files through PyAV."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vos.errors import InputError
from vos.frame import Frame
from vos.io.paths import display_name
from vos.io.read import size_limits
from vos.io.read.backward import BackwardReader
from vos.io.read.container_file import wait_for
from vos.io.read.decode import (
    Clock,
    Converter,
    decode_frames,
    frame_period,
    is_cover,
    is_untagged_hd,
    open_video,
)
from vos.io.read.orientation import Orientation, read_display_matrix
from vos.io.read.source import (
    Source,
    SourceInfo,
    TimePoint,
    is_before,
    past_the_end,
    video_frame_name,
)
from vos.io.read.tone_map import is_hdr, read_hdr_form

_COLOR_SPACES = {  # AVColorSpace
    0: "rgb",
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    14: "ictcp",
    15: "ipt-c2",
}
_UNREADABLE_SPACES = ("ictcp", "ipt-c2")
_TRANSFERS = {  # AVColorTransferCharacteristic
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    11: "iec61966-2-4",
    13: "srgb",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "pq",
    17: "smpte428",
    18: "hlg",
}
_PRIMARIES = {  # AVColorPrimaries
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "dci-p3",
    12: "display-p3",
    22: "ebu3213",
}
_RANGES = {1: "limited", 2: "full"}  # AVColorRange
# A GIF's rate is a guess from its first delays.
_PROMISES_NOTHING = ("gif",)
_TAG_DURATION = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


class ContainerSource(Source):
    """One video file. Nothing stays open between iterations; each opens and closes its own."""

    def __init__(self, path: Path, *, is_exact: bool = False) -> None:
        """Read the header and the first frame.

        is_exact: as in `open_source`.

        Raises InputError if the file is missing, unreadable, no video, or holds no frame.
        """
        self._path, self._is_exact = path, is_exact
        self.warnings: list[str] = []
        first = wait_for(self._look)
        matrix = read_display_matrix(first)
        orientation = matrix.orientation()
        if is_hdr(first):
            form = read_hdr_form(first)
            self.warn(
                f"is HDR ({self.info.transfer}, up to {form.peak_nits:.0f} nits); tone-mapped to "
                "SDR, bt709, by ITU-R BT.2390"
            )
        if self.info.color_space in _UNREADABLE_SPACES:
            self.warn(
                f"is coded in {self.info.color_space}, which FFmpeg converts as if it were YUV; "
                "its colours are wrong, so convert it first"
            )
        if note := size_limits.memory_note(self.info.size_hw, self.info.frame_count):
            self.warn(note)
        if orientation is None:
            self.warn(
                "has a display matrix that is neither a quarter turn nor a mirror (it turns by "
                f"{matrix.angle_deg():.1f} degrees); it is read as stored"
            )
        if self.info.video_stream_count > 1:
            height, width = self.info.size_hw
            self.warn(
                f"has {self.info.video_stream_count} video streams; stream "
                f"{self.info.video_stream} ({width}x{height}) is used"
            )

    def _look(self) -> VideoFrame:
        """Read what the container and its first frame say; return that frame."""
        path = self._path
        with open_video(path) as (container, stream):
            first = next(decode_frames(container, stream), None)
            if first is None:
                raise InputError(
                    f"{display_name(path)}: no picture could be decoded (codec "
                    f"{_codec_name(stream)}); the file is damaged or ends before its first frame"
                )
            orientation = read_display_matrix(first.frame).orientation()
            self.info = describe_video(path, container, stream, first.frame, orientation)
            self._has_own_duration = (
                _own_duration(stream) is not None or len(container.streams) == 1
            )
        return first.frame

    def check_length(self, covered: Fraction, frame_count: int) -> None:
        """Warn if there are clearly fewer frames than the container's duration and rate say.

        covered: end of the last frame, in seconds. Clearly: by two frames and by 1 %.
        """
        duration, rate = self.info.duration, self.info.average_rate
        if not self._has_own_duration or duration is None or not rate:
            return
        if self.info.container in _PROMISES_NOTHING:
            return
        expected = duration * rate
        if (duration - covered) * rate >= max(2, expected / 100):
            self.warn(
                f"ends after {frame_count} of about {round(expected)} frames "
                f"({float(covered):.2f} s of {float(duration):.2f} s); it is probably cut short, "
                "copy or download it again"
            )
        elif expected - frame_count >= max(2, expected / 100):
            self.warn(
                f"holds {frame_count} readable frames where its duration and rate promise about "
                f"{round(expected)}; either some are lost or its frame rate varies"
            )

    def warn(self, text: str) -> None:
        """Add a warning about this file, once."""
        line = f"{display_name(self._path.name)}: {text}"
        if line not in self.warnings:
            self.warnings.append(line)

    def _frames(
        self, start: TimePoint | None, end: TimePoint | None, skip_to: int
    ) -> Iterator[Frame]:
        frame_idx, has_started, has_ended = -1, False, True
        covered = Fraction(0)
        corrupt: list[int] = []
        with open_video(self._path) as (container, stream):
            clock, converter = Clock(stream), Converter(self.info, is_exact=self._is_exact)
            period, tick = frame_period(stream) or Fraction(0), stream.time_base or Fraction(0)
            for frame_idx, raw in enumerate(decode_frames(container, stream)):
                pts = clock.stamp(raw.raw_pts)
                if end is not None and not is_before(frame_idx, pts, end):
                    has_ended = False
                    break
                covered = pts + (raw.frame.duration * tick or period)
                if is_before(frame_idx, pts, start):
                    continue
                has_started = True
                if raw.is_corrupt:
                    corrupt.append(frame_idx)
                if frame_idx < skip_to:
                    converter.pass_over(raw.frame)
                    continue
                name = video_frame_name(frame_idx)
                # No variable holds the image while the next one is made.
                yield Frame(converter.to_rgb(raw.frame), pts, frame_idx, name, raw.is_corrupt)
        self._report(corrupt, clock, converter)
        if has_ended:
            self.check_length(covered, frame_idx + 1)
            if start is not None and not has_started:
                raise past_the_end(self._path, start, frame_idx + 1)

    def _frames_reversed(self, start: int, last: int, skip_to: int) -> Iterator[Frame]:
        yield from BackwardReader(self._path, self.info, self._report).frames(start, last, skip_to)

    def _report(self, corrupt: list[int], clock: Clock, converter: Converter) -> None:
        if corrupt:
            self.warn(
                f"{len(corrupt)} damaged frame{'s' * (len(corrupt) > 1)}, the first is "
                f"{corrupt[0]}f; kept and flagged"
            )
        if clock.missing:
            self.warn(f"{clock.missing} frames carry no time; the average rate filled it in")
        if clock.repaired:
            self.warn(f"{clock.repaired} frames had times that did not advance; they were moved")
        if converter.resized:
            self.warn(
                f"the picture size changes; {converter.resized} frames were scaled to the first's"
            )


def describe_video(
    path: Path,
    container: InputContainer,
    stream: VideoStream,
    first: VideoFrame,
    orientation: Orientation | None,
) -> SourceInfo:
    """Gather what a container and its first frame say of the footage."""
    shown = orientation or Orientation()
    height, width = first.height, first.width
    duration = _own_duration(stream)
    if duration is None and container.duration:
        duration = Fraction(container.duration, 1_000_000)
    rate = stream.average_rate or stream.guessed_rate or None
    start = stream.start_time or 0
    if first.pts is not None:
        start = min(start, first.pts)  # as `Clock` has it
    aspect = stream.sample_aspect_ratio
    return SourceInfo(
        path=path,
        kind="video",
        size_hw=(width, height) if shown.rotation_deg % 180 else (height, width),
        frame_count=round(duration * rate) if duration and rate else None,
        average_rate=rate,
        duration=duration,
        start_time=start * (stream.time_base or Fraction(0)),
        time_base=stream.time_base,
        rotation_deg=shown.rotation_deg,
        is_mirrored=shown.is_mirrored,
        container=container.format.name,
        codec=_codec_name(stream),
        pixel_format=first.format.name,
        color_space=_color_space(first),
        transfer=_TRANSFERS.get(first.color_trc),
        primaries=_PRIMARIES.get(first.color_primaries),
        color_range=_RANGES.get(first.color_range),
        pixel_aspect=aspect or Fraction(1),
        has_audio=bool(container.streams.audio),
        video_stream=stream.index,
        video_stream_count=sum(not is_cover(one) for one in container.streams.video),
    )


def _color_space(frame: VideoFrame) -> str:
    """Say how the pixels are read: the file's tag, or what stands in for a missing one."""
    if frame.format.is_rgb:
        return "rgb"
    if len(frame.format.components) < 3:
        return "grey"
    if is_hdr(frame):
        assumed = "bt2020nc (assumed)"
    else:
        assumed = "bt709 (assumed)" if is_untagged_hd(frame) else "bt601 (assumed)"
    return _COLOR_SPACES.get(frame.colorspace, assumed)


def _own_duration(stream: VideoStream) -> Fraction | None:
    """Return the seconds this very stream lasts; None where only the file's length is known."""
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    match = _TAG_DURATION.match(stream.metadata.get("DURATION", ""))
    if not match:
        return None
    stated = int(match[1]) * 3600 + int(match[2]) * 60 + Fraction(match[3])
    return stated - (stream.start_time or 0) * (stream.time_base or Fraction(0)) or None


def _codec_name(stream: VideoStream) -> str:
    return stream.codec_context.codec.canonical_name
