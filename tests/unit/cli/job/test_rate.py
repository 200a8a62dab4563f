"""`--rate` of an image sequence decides the result's times, and is part of what it is known by."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest

from e2e import clips
from vos.errors import OutputError, UsageError
from vos.io.read.open import open_source
from vos_cli.commands.info import _rows
from vos_cli.console.notices import stay_silent
from vos_cli.job.run import run
from vos_cli.options.track import TrackFlags


def track(source: Path, output: Path, **flags):
    given = TrackFlags(model="null", box=("9,9,30,30",), **flags)
    return run(given.job(str(source), output, progress="none"), say=stay_silent, warn=stay_silent)


def parameters(output: Path) -> dict:
    return json.loads((output / "manifest.json").read_text())["parameters"]


def overlay_times(output: Path) -> list[float]:
    with av.open(str(output / "overlay.mp4")) as opened:
        return [frame.time for frame in opened.decode(video=0)]


def test_overlay_statistics_and_start_follow(tmp_path: Path) -> None:
    source = clips.images(tmp_path / "clip", 8)
    out = tmp_path / "out"
    done = track(source, out, rate="10", end="0.45s")
    assert done.frames == 5
    assert overlay_times(out) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert parameters(out)["rate"] == "10"


def test_another_rate_is_another_result(tmp_path: Path) -> None:
    source = clips.images(tmp_path / "clip", 3)
    out = tmp_path / "out"
    assert not track(source, out, rate="30000/1001").is_skipped
    assert track(source, out, rate="30000/1001").is_skipped
    for other in ("30", None):
        with pytest.raises(OutputError, match="rate"):
            track(source, out, rate=other)
    plain = tmp_path / "plain"
    assert not track(source, plain).is_skipped
    assert "rate" not in parameters(plain)
    assert track(source, plain, rate="24").is_skipped  # the same result


def test_a_video_refuses_it_before_anything_is_made(tmp_path: Path) -> None:
    clip = clips.video(tmp_path / "clip.mp4", 3)
    with pytest.raises(UsageError, match="has its own times, so it takes no rate"):
        track(clip, tmp_path / "out", rate="30")
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.mp4"]


def test_info_says_that_the_rate_is_assumed(tmp_path: Path) -> None:
    with open_source(clips.images(tmp_path / "clip", 3)) as source:
        rows = dict(_rows(source.info, None, source))
    assert rows["rate"] == "24 frames/s, assumed: `vos track --rate` says another"
