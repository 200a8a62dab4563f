from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vos.errors import UsageError
from vos.io.timecode import format_time, parse_span, parse_time


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("0f", 0),
        ("300f", 300),
        ("10.5s", Fraction(21, 2)),
        ("0s", Fraction(0)),
        ("2.s", Fraction(2)),
        (".1s", Fraction(1, 10)),
        ("00:00:10.5", Fraction(21, 2)),
        ("1:02:03", Fraction(3723)),
        ("100:00:00", Fraction(360000)),
        ("2:05.25", Fraction(50100, 400)),
        (" 7f ", 7),
    ],
)
def test_the_three_forms(text: str, when: int | Fraction) -> None:
    parsed = parse_time(text)
    assert parsed == when
    assert type(parsed) is type(when)


@pytest.mark.parametrize(
    "text",
    [
        *("", "300", "10.5", "-1f", "-1s", "1.5f", "1e3s", "f", "s", ":10", "1:2:3:4", "10 s"),
        *("00:60:00", "00:00:60", "00:00:10:05", "00:00:10;05"),
        *("１２f", "nan", "inf s", "1_0f", "+3s"),
    ],
)
def test_anything_else_names_the_forms(text: str) -> None:
    with pytest.raises(UsageError, match=r"300f .* 10\.5s .* 00:00:10\.5") as caught:
        parse_time(text)
    assert repr(text) in str(caught.value)


@given(st.integers(0, 10**9))
def test_seconds_are_exact(millis: int) -> None:
    """A float would be off: 0.1 s has no binary fraction."""
    when = Fraction(millis, 1000)
    assert parse_time(f"{millis // 1000}.{millis % 1000:03d}s") == when
    assert parse_time(format_time(when)) == when


@given(st.integers(0, 10**9))
def test_frames_survive_formatting(frame_idx: int) -> None:
    assert parse_time(format_time(frame_idx)) == frame_idx


def test_format_of_negative_and_rounded_times() -> None:
    assert format_time(Fraction(-3, 2)) == "-00:00:01.500"
    assert format_time(Fraction(59_9996, 10_000)) == "00:01:00.000"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("90s", 90), ("10m", 600), ("1.5h", 5400), (" 2d ", 172_800), ("0s", 0)),
        *(("00:10:00", 600), ("1:30.5", Fraction(181, 2)), ("0.1s", Fraction(1, 10))),
    ],
)
def test_spans_of_time(text, seconds):
    assert parse_span(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "10", "10 m", "-5s", "300f", "1w", "s", "1e3s", "9999999999s"]
)
def test_what_is_no_span_is_refused(text):
    with pytest.raises(UsageError, match="not a span of time; write 90s, 10m"):
        parse_span(text)
