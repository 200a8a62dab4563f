"""What a video file's packets say, without decoding them: length, frame intervals, key frames."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path

from av.error import InvalidDataError

from vos.io.read.container_file import wait_for
from vos.io.read.decode import frame_period, open_video

_VFR_TOLERANCE = Fraction(1, 20)


@dataclass(frozen=True, slots=True)
class VideoScan:
    """What the packets of the chosen stream say.

    frame_count: packets shown (an edit list's hidden ones left out); equals the number of frames
        unless packets are damaged or hold half a frame.
    covered: end of the last frame in seconds since the stream's start; None without times.
    shortest, longest: seconds between neighbouring frames; None with fewer than two.
    is_vfr: intervals differ by more than a twentieth and more than two ticks; None as above.
    key_frame_count: frames where decoding can start.
    """

    frame_count: int
    covered: Fraction | None
    shortest: Fraction | None
    longest: Fraction | None
    is_vfr: bool | None
    key_frame_count: int


def scan_video(path: Path) -> VideoScan:
    """Read every packet of the file's best video stream, once; decode none.

    Raises InputError if the file is no video.
    """
    return wait_for(partial(_scan, path))


def _scan(path: Path) -> VideoScan:
    ticks: array[int] = array("q")
    count = keys = end = 0
    with open_video(path) as (container, stream):
        tick = stream.time_base or Fraction(0)
        period = round((frame_period(stream) or Fraction(0)) / tick) if tick else 0
        try:
            for packet in container.demux(stream):
                if not packet.size or packet.is_discard:
                    continue
                count += 1
                keys += packet.is_keyframe
                if packet.pts is not None:
                    ticks.append(packet.pts)
                    end = max(end, packet.pts + (packet.duration or period))
        except InvalidDataError:
            pass  # a truncated file ends like this; `covered` shows it
        start = stream.start_time or 0
    covered = (end - start) * tick if ticks and tick else None
    if len(ticks) < 2 or len(ticks) != count or not tick:
        return VideoScan(count, covered, None, None, None, keys)
    ordered = sorted(ticks)
    gaps = [b - a for a, b in pairwise(ordered)]
    shortest, longest = min(gaps), max(gaps)
    is_vfr = longest - shortest > max(2, longest * _VFR_TOLERANCE)
    return VideoScan(count, covered, shortest * tick, longest * tick, is_vfr, keys)


def frames_before(path: Path, when: Fraction) -> int | None:
    """Count the frames before `when`, in seconds since the stream's start, by their packets.

    There are no more than that: a packet may be damaged or hold half a frame.

    Reads as far as that. None where times are missing or jump back, so that only decoding tells.
    Raises InputError if the file is no video.
    """
    return wait_for(partial(_count_before, path, when))


def _count_before(path: Path, when: Fraction) -> int | None:
    count, last = 0, None
    with open_video(path) as (container, stream):
        tick, start = stream.time_base, stream.start_time
        if tick is None or start is None:
            return None
        limit = start + when / tick
        try:
            for packet in container.demux(stream):
                if not packet.size or packet.is_discard:
                    continue
                if packet.pts is None:
                    return None
                if packet.dts is not None:  # Matroska's first ones have none
                    if last is not None and packet.dts < last:
                        return None
                    last = packet.dts
                    if last >= limit:  # what follows is shown later still
                        break
                count += packet.pts < limit
        except InvalidDataError:
            pass  # a truncated file ends like this
    return count
