"""Output of a track without end: only the newest stays, and all of that."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vos.frame import FrameResult, ObjectResult, video_frame_name
from vos.io.live.source import LiveFrame
from vos.io.write.live import stats as live_stats
from vos.io.write.live.overlay import OverlayPartsSink
from vos.io.write.live.rolling import Expiring, RollingPngSink
from vos.io.write.live.stats import LiveStatsSink
from vos.io.write.masks import MaskSink
from vos.io.write.mattes import MatteSink
from vos.io.write.sink import Sink

STEP = Fraction(1, 4)


def feed(sink: Sink, times: list[Fraction]) -> None:
    for index, pts in enumerate(times):
        name = video_frame_name(index)
        image = np.full((32, 48, 3), index, np.uint8)
        labels = np.zeros((32, 48), np.uint8)
        labels[4:20, 4:20] = 1
        frame = LiveFrame(image, pts, index, name, received_s=100.5 + index, dropped_before=index)
        mattes = {1: labels * 255}
        scores = {1: ObjectResult(0.5, 2.0)}
        sink.write(frame, FrameResult(index, pts, name, labels, scores, mattes=mattes))


def evenly(count: int) -> list[Fraction]:
    return [index * STEP for index in range(count)]


@given(
    st.lists(st.integers(1, 4000), min_size=1, max_size=80),
    st.integers(1, 6000),
    st.integers(0, 10**6),
)
def test_what_is_kept_stays_and_little_more(tmp_path_factory, gaps, keep_ms, begin):
    folder = tmp_path_factory.mktemp("kept")
    keep_s = Fraction(keep_ms, 1000)
    expiring, now = Expiring(keep_s), Fraction(begin, 1000)
    written: dict[Path, Fraction] = {}
    for index, gap in enumerate(gaps):
        now += Fraction(gap, 1000)
        path = folder / f"{index}"
        path.touch()
        written[path] = now
        expiring.add(now, [path])
        if expiring.is_due(now):
            expiring.delete_old(now)
        for one, pts in written.items():
            if now - pts <= keep_s:
                assert one.exists()
            if now - pts > keep_s * 11 / 10:
                assert not one.exists()


@pytest.mark.parametrize(("kind", "pattern"), [(MaskSink, "*.png"), (MatteSink, "1/*.png")])
def test_masks_and_mattes_that_are_too_old_go(tmp_path, kind, pattern):
    with RollingPngSink(kind(tmp_path), Fraction(2)) as sink:
        feed(sink, evenly(41))
        assert sink.name == kind.name
    left = sorted(path.stem for path in tmp_path.glob(pattern))
    assert left == [video_frame_name(index) for index in range(32, 41)]


def test_a_frame_after_a_long_silence_leaves_only_itself(tmp_path):
    with RollingPngSink(MaskSink(tmp_path), Fraction(2)) as sink:
        feed(sink, [*evenly(9), Fraction(5000)])
    assert [path.stem for path in tmp_path.iterdir()] == ["00009"]


def test_rows_say_when_their_frame_came_and_old_ones_go(tmp_path, monkeypatch):
    monkeypatch.setattr(live_stats, "_LEAST_BYTES", 500)
    path = tmp_path / "stats.jsonl"
    with LiveStatsSink(path, Fraction(2)) as sink:
        feed(sink, evenly(20))
        assert 9 <= len(path.read_text().splitlines()) < 20
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["frame_idx"] for row in rows] == list(range(11, 20))
    assert rows[-1]["received_at"] == "1970-01-01T00:01:59.500+00:00"
    assert rows[-1]["dropped_before"] == 19
    assert [entry.name for entry in tmp_path.iterdir()] == ["stats.jsonl"]


def test_without_a_limit_every_row_stays_and_is_there_at_once(tmp_path):
    path = tmp_path / "stats.jsonl"
    sink = LiveStatsSink(path)
    feed(sink, evenly(20))
    assert len(path.read_text().splitlines()) == 20
    sink.abandon()


def test_the_overlay_is_videos_of_a_limited_length_that_players_open(tmp_path):
    times = [*evenly(21), *(100 + time for time in evenly(9))]
    with OverlayPartsSink(
        tmp_path, rate=Fraction(4), pixel_aspect=Fraction(1), device="cpu", keep_s=Fraction(8)
    ) as sink:
        feed(sink, times[:21])
        parts = sorted(path.name for path in tmp_path.iterdir())
        assert parts == ["00000.mp4", "00008.mp4"]  # of 2 s; the third is being made
    parts = sorted(tmp_path.iterdir())
    assert [path.name for path in parts] == ["00000.mp4", "00008.mp4", "00016.mp4"]
    for path, count in zip(parts, (8, 8, 5), strict=True):
        with av.open(str(path)) as container:
            assert len(list(container.decode(video=0))) == count


def test_old_videos_go(tmp_path):
    with OverlayPartsSink(
        tmp_path, rate=None, pixel_aspect=Fraction(1), device="cpu", keep_s=Fraction(4)
    ) as sink:
        feed(sink, evenly(41))
    assert sorted(path.stem for path in tmp_path.iterdir())[0] >= "00020"
    assert (tmp_path / "00040.mp4").is_file()
