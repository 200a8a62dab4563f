from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from contract import clips
from vos.io.read.open import open_source
from vos.io.read.scan import frames_before, scan_video


@pytest.mark.parametrize(
    ("kind", "count", "is_vfr"),
    [("mp4", 80, False), ("mkv", 40, False), ("variable_rate", 40, True), ("edit_list", 35, False)],
)
def test_counts_and_intervals(kind: str, count: int, is_vfr: bool, tmp_path: Path) -> None:
    footage = clips.MAKERS[kind](tmp_path)
    scan = scan_video(Path(footage.path))
    gaps = [b - a for a, b in zip(footage.times, footage.times[1:], strict=False)]
    assert scan.is_vfr is is_vfr
    assert (scan.shortest, scan.longest) == (min(gaps), max(gaps))
    assert scan.frame_count == count
    assert scan.covered is not None
    assert scan.covered >= footage.times[-1] + min(gaps)


def test_rounded_times_are_not_variable(tmp_path: Path) -> None:
    """Matroska keeps milliseconds: 29.97 frames/s alternate between 33 and 34 ms."""
    path = clips.encode(tmp_path / "ntsc.mkv", 30, rate=clips.NTSC)
    scan = scan_video(path)
    assert (scan.shortest, scan.longest) == (Fraction(33, 1000), Fraction(34, 1000))
    assert scan.is_vfr is False


def test_without_times_nothing_is_claimed(tmp_path: Path) -> None:
    scan = scan_video(clips.encode(tmp_path / "raw.h264", 30, file_format="h264"))
    assert scan.frame_count == 30
    assert (scan.covered, scan.is_vfr, scan.shortest) == (None, None, None)


def test_key_frames(tmp_path: Path) -> None:
    assert scan_video(clips.encode(tmp_path / "a.mp4", 40)).key_frame_count == 4


@pytest.mark.parametrize("kind", ["mp4", "mkv", "variable_rate", "edit_list", "open_gop"])
def test_frames_before_a_time_are_those_that_reading_gives(kind: str, tmp_path: Path) -> None:
    path = Path(clips.MAKERS[kind](tmp_path).path)
    with open_source(path) as source:
        times = [frame.pts for frame in source.frames()]
    for index in (0, 1, len(times) // 2, len(times) - 1):
        assert frames_before(path, times[index]) == index
        assert frames_before(path, times[index] + Fraction(1, 10_000)) == index + 1
    assert frames_before(path, times[-1] + 10) == len(times)


def test_without_times_frames_are_not_counted_by_them(tmp_path: Path) -> None:
    path = clips.encode(tmp_path / "raw.h264", 30, file_format="h264")
    assert frames_before(path, Fraction(1, 2)) is None
