"""Parts of an overlay video drawn again; the packets of the rest are copied.

The result is to the byte what drawing all of it gives, as long as no part was cut short for its
heavy label maps; then it is the same frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from vos.errors import InputError
from vos.frame import Frame
from vos.io.disk import output_errors
from vos.io.read.container_file import open_container
from vos.io.results.append_file import AppendFile
from vos.io.write.overlay import sink as overlay
from vos.io.write.overlay.choose import read_headers, split_headers
from vos.io.write.overlay.encode import EncodedPacket, SegmentEncoder, VideoForm, draw_yuv
from vos.io.write.overlay.encoders import MOST_REORDER_FRAMES
from vos.io.write.overlay.mux import Mp4Joiner, append_packet

_START_CODE = b"\0\0\0\1"
_LENGTH_BYTES = 4

ReadFrames = Callable[[range], Iterator[Frame]]


@dataclass(frozen=True, slots=True)
class Redraw:
    """A plan of which parts of a video to draw again. Made with `plan_redraw`.

    old: the video as it is.
    form: what its encoder agreed on with the container.
    segments: ticks of the frames of each independent part, ascending.
    touched: for each segment, whether it is drawn again.
    """

    old: Path
    form: VideoForm
    segments: tuple[tuple[int, ...], ...]
    touched: tuple[bool, ...]

    def positions(self) -> Iterator[range]:
        """Yield for each segment which frames of the video it has, counted from 0."""
        start = 0
        for ticks in self.segments:
            yield range(start, start + len(ticks))
            start += len(ticks)


def plan_redraw(old: Path, form: VideoForm, count: int, changed: Sequence[range]) -> Redraw | None:
    """Choose the parts of the video to draw again; return None where it cannot be taken apart.

    count: frames it must have. changed: frames to draw again, counted from 0.
    """
    try:
        segments = _segments(old, form)
    except (FFmpegError, InputError, OSError, ValueError):
        return None
    if sum(map(len, segments)) != count or count < 2:  # one frame stays as long as its rate says
        return None
    plan = Redraw(old, form, segments, (False,) * len(segments))
    touched = tuple(
        any(one.start < part.stop and part.start < one.stop for one in changed)
        for part in plan.positions()
    )
    return Redraw(old, form, segments, touched)


def redraw(
    plan: Redraw,
    new: Path,
    *,
    read: ReadFrames,
    labels: Callable[[int], np.ndarray],
    work: Path,
    audio_from: Path | None,
    audio_start_time: Fraction,
) -> list[str]:
    """Write the video with the touched parts drawn again; return warnings.

    read: reads the frames at these positions, in order.
    labels: gives a frame's label map, by frame index.
    work: folder for the packets.
    audio_from, audio_start_time: as in `OverlaySink`.

    Raises OutputError.
    """
    *_, before, last = (tick for ticks in plan.segments for tick in ticks)
    with output_errors(new), AppendFile(work / "overlay.packets") as packets:
        earlier: tuple[int, ...] = ()
        with ExitStack() as stack:
            old = _packets(open_container(plan.old, stack), plan.form.tick)
            parts = zip(plan.segments, plan.positions(), plan.touched, strict=True)
            for ticks, places, is_touched in parts:
                kept = list(islice(old, len(ticks)))
                if is_touched:
                    kept = _draw(plan.form, earlier, ticks, read(places), labels)
                for packet in kept:
                    append_packet(packets, packet)
                earlier = (*earlier, *ticks)[-MOST_REORDER_FRAMES:]
        joiner = Mp4Joiner(
            plan.form,
            first=plan.segments[0][0],
            last=last,
            last_period=last - before,
            audio_from=audio_from,
            audio_start_time=audio_start_time,
        )
        joiner.write(packets, new)
    return joiner.warnings


def _draw(
    form: VideoForm,
    earlier: tuple[int, ...],
    ticks: Sequence[int],
    frames: Iterator[Frame],
    labels: Callable[[int], np.ndarray],
) -> Iterator[EncodedPacket]:
    encoder = SegmentEncoder(form, earlier)
    for tick, frame in zip(ticks, frames, strict=True):
        yield from encoder.encode(draw_yuv(frame.image, labels(frame.frame_idx)), tick)
    yield from encoder.flush()


def _segments(path: Path, form: VideoForm) -> tuple[tuple[int, ...], ...]:
    """Find the parts that no other part needs for decoding.

    Raises ValueError for another kind of video, or one of another encoder than the form's: a video
    has one set of headers.
    """
    parts: list[list[int]] = []
    with ExitStack() as stack:
        container = open_container(path, stack)
        headers = _h264(container).codec_context.extradata or b""
        if split_headers(headers) != split_headers(read_headers(form) or b""):
            raise ValueError("made by another encoder")
        for packet in _packets(container, form.tick):
            is_full = not parts or len(parts[-1]) >= overlay.SEGMENT_FRAMES
            if is_full and packet.is_keyframe:
                parts.append([])
            if not parts:
                raise ValueError("does not begin with a key frame")
            parts[-1].append(packet.pts)
    segments = tuple(tuple(sorted(part)) for part in parts)
    if any(a[-1] >= b[0] for a, b in pairwise(segments)):
        raise ValueError("parts overlap")
    return segments


def _h264(container: InputContainer) -> VideoStream:
    """Return the H.264 of a container. Raises ValueError where there is none."""
    streams = container.streams.video
    context = streams[0].codec_context if streams else None
    if context is None or context.name != "h264":  # FFmpeg knows no decoder for some
        raise ValueError("no video in H.264")
    return streams[0]


def _packets(container: InputContainer, tick: Fraction) -> Iterator[EncodedPacket]:
    """Yield the packets in decoding order, as the encoder gave them.

    Raises ValueError for another kind of video.
    """
    for packet in container.demux(_h264(container)):
        if packet.size:
            pts, dts = _ticks(packet, packet.pts, tick), _ticks(packet, packet.dts, tick)
            data = _with_start_codes(bytes(packet))
            yield EncodedPacket(pts, dts, packet.is_keyframe, data)


def _ticks(packet: Packet, time: int | None, tick: Fraction) -> int:
    if time is None or packet.time_base is None:
        raise ValueError("a packet without a time")
    ticks = time * packet.time_base / tick
    if ticks.denominator != 1:
        raise ValueError(f"{time} is no whole number of ticks")
    return int(ticks)


def _with_start_codes(data: bytes) -> bytes:
    """Put a start code before each NAL unit, as the encoder does, where MP4 has its length."""
    units, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + _LENGTH_BYTES], "big")
        at += _LENGTH_BYTES
        units.append(_START_CODE + data[at : at + size])
        at += size
    return b"".join(units)
