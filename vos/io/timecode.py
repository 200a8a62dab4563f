"""Times and rates as users write them: `300f`, `10.5s`, `00:00:10.5`; `30`, `30000/1001`."""

from __future__ import annotations

import re
from fractions import Fraction

from vos.bounded import brief
from vos.errors import UsageError

_FRAMES = re.compile(r"(\d+)f", re.ASCII)
_SECONDS = re.compile(r"(\d+(?:\.\d*)?|\.\d+)s", re.ASCII)
_SPAN = re.compile(r"(\d{1,9}(?:\.\d*)?)(s|m|h|d)", re.ASCII)
_SPAN_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d*)?)", re.ASCII)
_RATE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:/(\d+))?", re.ASCII)
_LONGEST_RATE = 40
_LEAST_RATE, _MOST_RATE = Fraction(1, 86_400), Fraction(10_000)
_MOST_RATE_TERM = 10_000_000
_FORMS = "write 300f (a frame), 10.5s (seconds) or 00:00:10.5 (hours:minutes:seconds)"


def parse_time(text: str) -> int | Fraction:
    """Read a frame index (int) or exact seconds (Fraction).

    `300f` is a frame; `10.5s` and `[HH:]MM:SS[.x]` are seconds.

    Raises UsageError for anything else, a bare number included: it could mean either.
    """
    stripped = text.strip()
    if match := _FRAMES.fullmatch(stripped):
        return int(match[1])
    if match := _SECONDS.fullmatch(stripped):
        return Fraction(match[1])
    if match := _CLOCK.fullmatch(stripped):
        hours, minutes, seconds = int(match[1] or 0), int(match[2]), Fraction(match[3])
        if minutes >= 60 or seconds >= 60:
            raise UsageError(f"time {text!r}: minutes and seconds stay below 60; {_FORMS}")
        return hours * 3600 + minutes * 60 + seconds
    raise UsageError(f"time {text!r} is not understood; {_FORMS}")


def parse_span(text: str) -> Fraction:
    """Read how long something lasts, in exact seconds: `90s`, `10m`, `1.5h`, `2d`, `00:10:00`.

    Raises UsageError for anything else, a bare number included.
    """
    stripped = text.strip()
    if match := _SPAN.fullmatch(stripped):
        return Fraction(match[1]) * _SPAN_SECONDS[match[2]]
    if _CLOCK.fullmatch(stripped):
        return Fraction(parse_time(stripped))
    raise UsageError(f"{text!r}: not a span of time; write 90s, 10m, 1.5h, 2d or 00:10:00")


def parse_rate(value: object) -> Fraction:
    """Read frames per second from a number or a text: 30, 23.976, "30000/1001".

    Raises UsageError for anything else, and beyond one frame a day to 10,000 a second.
    """
    rate: Fraction | None = None
    if isinstance(value, int | float | Fraction) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str) and len(value) < _LONGEST_RATE:
        match = _RATE.fullmatch(value.strip())
        if match and match[2] != "0" * len(match[2] or "-"):
            rate = Fraction(match[1]) / int(match[2] or 1)
    if (
        rate is None
        or not _LEAST_RATE <= rate <= _MOST_RATE
        or max(rate.numerator, rate.denominator) > _MOST_RATE_TERM
    ):
        raise UsageError(
            f"rate {brief(value)}: give frames per second, from 1/86400 to 10000, such as 30, "
            "23.976 or 30000/1001"
        )
    return rate


def format_time(when: int | Fraction) -> str:
    """Write a time for messages: `300f` for a frame index, `00:00:10.500` for seconds, to 1 ms."""
    if isinstance(when, int):
        return f"{when}f"
    millis = round(when * 1000)
    sign, millis = ("-" if millis < 0 else ""), abs(millis)
    minutes, millis = divmod(millis, 60_000)
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}:{millis // 1000:02d}.{millis % 1000:03d}"


def exact_text(when: int | Fraction) -> str:
    """Write a time for a manifest: `300f`, or seconds as a fraction, `1001/30s`."""
    return f"{when}f" if isinstance(when, int) else f"{when}s"


def from_exact_text(text: str) -> int | Fraction:
    """Read what `exact_text` wrote."""
    return int(text[:-1]) if text.endswith("f") else Fraction(text[:-1])
