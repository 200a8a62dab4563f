"""The rate of image sequences: given, assumed, or refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from contract.clips import encode
from vos.errors import ConfigError, UsageError
from vos.io.read.open import open_source
from vos.io.timecode import parse_rate
from vos.settings import resolve


def stills(folder: Path, count: int = 6) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(folder / f"{number:03d}.png")
    return folder


@pytest.mark.parametrize("rate", [1, 12.5, 23.976, 30, "30", "30000/1001", Fraction(1, 60), 240])
def test_times_follow_the_rate(rate, tmp_path: Path) -> None:
    exact = parse_rate(rate)
    folder = stills(tmp_path / "a")
    for place in (folder, f"{folder}/*.png", f"{folder}/%03d.png"):
        with open_source(place, rate=rate) as source:
            assert source.info.average_rate == exact
            assert source.info.is_rate_given
            assert source.info.duration == 6 / exact
            assert [frame.pts for frame in source.frames()] == [n / exact for n in range(6)]
            assert [frame.pts for frame in source.frames_reversed(5)][-1] == 0
            assert next(source.frames(2 / exact)).frame_idx == 2
            assert len(list(source.frames(None, 3 / exact))) == 3
            with pytest.raises(UsageError, match="past the end"):
                next(source.frames(6 / exact))


def test_24_is_assumed(tmp_path: Path) -> None:
    with open_source(stills(tmp_path / "a")) as source:
        assert (source.info.average_rate, source.info.is_rate_given) == (24, False)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.gif"])
def test_a_video_has_its_own(name: str, tmp_path: Path) -> None:
    codec = {"a.gif": "gif"}.get(name, "libx264")
    form = {"a.gif": "rgb8"}.get(name, "yuv420p")
    path = encode(tmp_path / name, 3, codec=codec, pixel_format=form)
    with pytest.raises(UsageError, match=r"a video has its own times.*leave out `rate"):
        open_source(path, rate=30)
    open_source(path).close()


NO_RATES = [0, -1, "0", "-3", "1/0", "30/00", "", "fast", "1e3", "nan", "inf", "24fps", "1/2/3"]
NO_RATES += [float("nan"), float("inf"), True, [30], 10_001, "1/86401", "9" * 5000, "123456789/7"]


@pytest.mark.parametrize("rate", NO_RATES, ids=lambda rate: str(rate)[:12])
def test_what_is_no_rate(rate, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give frames per second"):
        parse_rate(rate)
    with pytest.raises(UsageError, match="give frames per second"):
        open_source(stills(tmp_path / "a"), rate=rate)
    with pytest.raises(ConfigError, match=r"rate.*give frames per second"):
        resolve({"rate": rate}, environ={}, folder=tmp_path)


@given(st.text(max_size=12) | st.integers() | st.floats() | st.fractions())
def test_any_value_is_a_rate_or_an_error(value) -> None:
    try:
        rate = parse_rate(value)
    except UsageError:
        return
    assert 0 < rate <= 10_000
    assert parse_rate(str(rate)) == rate


def test_settings_take_it_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "vos.toml").write_text("rate = 29.97")
    assert resolve({}, environ={}, folder=tmp_path).rate == Fraction(2997, 100)
    assert resolve({}, environ={"VOS_RATE": "50"}, folder=tmp_path).rate == 50
    assert resolve({"rate": "25"}, environ={"VOS_RATE": "50"}, folder=tmp_path).rate == 25
    assert resolve({}, environ={}, folder=tmp_path / "none").rate is None
