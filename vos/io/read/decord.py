"""Video files through decord, for comparison with the official SAM 2 loader's pixels.

Not for production: decord ignores edit lists, reads ahead without bound while the consumer is slow
and gives up on damaged files. The frames are decord's at full size; its own resizing is not used.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from vos.errors import InputError, UsageError
from vos.frame import Frame
from vos.io.paths import display_name
from vos.io.read.container import ContainerSource
from vos.io.read.scan import scan_video
from vos.io.read.source import Source, TimePoint, is_before, past_the_end, video_frame_name

_MICROSECONDS = 1_000_000
_REVERSE_CHUNK_FRAMES = 32


class DecordSource(Source):
    """One video file as decord sees it. `pts` is decord's float time rounded to microseconds."""

    def __init__(self, path: Path) -> None:
        """Open a video.

        Raises UsageError where decord is not installed or does not mirror or tone-map it,
        InputError if it cannot read `path`.
        """
        self._path = path
        container = self._container = ContainerSource(path)
        self.warnings = container.warnings
        if container.info.is_mirrored:
            raise UsageError(
                f"{display_name(path)}: its display matrix mirrors it, which decord does not do; "
                "leave the decoder option away to use PyAV"
            )
        if container.info.is_hdr:
            raise UsageError(
                f"{display_name(path)}: HDR ({container.info.transfer}), which decord does not "
                "tone-map; leave the decoder option away to use PyAV"
            )
        reader = self._open()
        self.info = dataclasses.replace(container.info, frame_count=len(reader))
        shown = scan_video(path).frame_count
        if shown != len(reader):
            container.warn(
                f"decord gives {len(reader)} frames where the file shows {shown}; leave the "
                "decoder option away to use PyAV"
            )

    def _frames(
        self, start: TimePoint | None, end: TimePoint | None, skip_to: int
    ) -> Iterator[Frame]:
        reader = self._open()
        times = _times(reader)
        if is_before(len(times) - 1, times[-1], start):
            raise past_the_end(self._path, start or 0, len(times))
        for frame_idx, pts in enumerate(times):
            if end is not None and not is_before(frame_idx, pts, end):
                return
            try:
                image = reader.next()
            except (StopIteration, *_decord_errors()) as error:
                raise self._error(f"stopped at frame {frame_idx} of {len(times)}", error) from None
            if frame_idx >= skip_to and not is_before(frame_idx, pts, start):
                yield Frame(image.asnumpy(), pts, frame_idx, video_frame_name(frame_idx))
        period = 1 / self.info.average_rate if self.info.average_rate else 0
        self._container.check_length(times[-1] + period, len(times))

    def _frames_reversed(self, start: int, last: int, skip_to: int) -> Iterator[Frame]:
        top = start
        while top >= last:
            low = max(last, top - _REVERSE_CHUNK_FRAMES + 1)
            chunk = list(self._frames(low, top + 1, 0))
            if not chunk or chunk[-1].frame_idx < start == top:
                raise past_the_end(self._path, start, self.info.frame_count or 0)
            while chunk:
                frame = chunk.pop()
                if frame.frame_idx <= skip_to:
                    yield frame
            top = low - 1

    def _open(self) -> Any:
        try:
            import decord
        except (ImportError, OSError):
            raise UsageError(
                "decoder 'decord' is not installed on this machine: get it with "
                "`pip install 'vos[decord]'` (x86-64 only; it brings FFmpeg 4.1 of 2018, so give "
                "it no file of strangers), or leave the decoder option away to use PyAV"
            ) from None
        try:
            return decord.VideoReader(str(self._path), ctx=decord.cpu(0))
        except (UnicodeError, *_decord_errors()) as error:
            raise self._error("cannot open it", error) from None

    def _error(self, what: str, error: BaseException) -> InputError:
        reason = display_name((str(error).splitlines() or [type(error).__name__])[-1].strip())
        return InputError(
            f"{display_name(self._path)}: decord {what} ({reason}); the default decoder, pyav, "
            "reads damaged files too"
        )


def _decord_errors() -> tuple[type[Exception], ...]:
    from decord import DECORDError

    return (DECORDError, RuntimeError)


def _times(reader: Any) -> list[Fraction]:
    """Return the frames' seconds since the first one, strictly increasing."""
    times: list[Fraction] = []
    stamps = reader.get_frame_timestamp(range(len(reader)))[:, 0]
    for stamp in stamps:
        time = Fraction(round((float(stamp) - float(stamps[0])) * _MICROSECONDS), _MICROSECONDS)
        times.append(max(time, times[-1] + Fraction(1, _MICROSECONDS)) if times else time)
    return times
