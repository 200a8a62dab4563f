"""SMPTE timecode: where a shot lies on a tape, counted in frames."""

from __future__ import annotations

import re
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

from av.error import FFmpegError

from vos.errors import InputError
from vos.io.read.container_file import open_container

_TIMECODE = re.compile(r"(\d{2}):([0-5]\d):([0-5]\d)([:;.])(\d{2,3})", re.ASCII)
_KEY = "timecode"
_DROP_FRAME = 1 << 6


def read_timecode(path: Path) -> str | None:
    """Return the timecode of a file's first frame, None where it has none."""
    try:
        with ExitStack() as stack:
            container = open_container(path, stack)
            for holder in (*container.streams.video, *container.streams.data, container):
                for key, value in holder.metadata.items():
                    if key.lower() == _KEY and _TIMECODE.fullmatch(value):
                        return value
    except (FFmpegError, InputError, OSError):
        pass
    return None


def count_frames(timecode: str, rate: Fraction) -> int | None:
    """Return how many frames after 00:00:00:00 a timecode is, None where it does not fit the rate.

    Drop-frame timecode (`;`) leaves out numbers, no frames: at 29.97 frames per second 0 and 1 of
    each minute, but not of every tenth; at 59.94 twice as many.
    """
    match = _TIMECODE.fullmatch(timecode)
    base = round(rate)
    if match is None or base < 1 or int(match[5]) >= base:
        return None
    is_drop = match[4] != ":"
    if is_drop and base % 30:
        return None
    hours, minutes, seconds, frame = (int(match[group]) for group in (1, 2, 3, 5))
    all_minutes = hours * 60 + minutes
    count = (all_minutes * 60 + seconds) * base + frame
    return count - _dropped(base, is_drop=is_drop) * (all_minutes - all_minutes // 10)


def add_frames(timecode: str, frames: int, rate: Fraction) -> str | None:
    """Return the timecode that many frames later, None where it does not fit the rate."""
    count = count_frames(timecode, rate)
    if count is None:
        return None
    base = round(rate)
    is_drop = ";" in timecode or "." in timecode
    dropped = _dropped(base, is_drop=is_drop)
    per_ten_minutes = base * 600 - dropped * 9
    per_minute = base * 60 - dropped
    count = (count + frames) % (per_ten_minutes * 6 * 24)
    tens, rest = divmod(count, per_ten_minutes)
    if rest >= base * 60:  # past the first minute of ten, which drops nothing
        count += dropped * (1 + (rest - base * 60) // per_minute)
    count += dropped * 9 * tens
    total, frame = divmod(count, base)
    minutes, seconds = divmod(total, 60)
    separator = ";" if is_drop else ":"
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}{separator}{frame:02}"


def pack_smpte(timecode: str) -> int | None:
    """Pack a timecode as SMPTE 12M does, a decimal digit in each four bits; bit 6 is drop-frame.

    Returns None where the frame is 40 or more, as its digits have six bits.
    """
    match = _TIMECODE.fullmatch(timecode)
    if match is None or int(match[5]) >= 40:
        return None
    packed = 0
    for group in (1, 2, 3, 5):
        tens, ones = divmod(int(match[group]), 10)
        packed = packed << 8 | tens << 4 | ones
    return packed | (_DROP_FRAME if match[4] != ":" else 0)


def _dropped(base: int, *, is_drop: bool) -> int:
    """Return how many numbers a minute leaves out."""
    return round(base / 15) if is_drop else 0
