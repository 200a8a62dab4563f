from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from contract import clips
from vos.io.scan import scan_video


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
