"""An overlay of which parts are drawn again is the one that is drawn as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from e2e import clips
from vos.frame import Frame, FrameResult
from vos.io.write.overlay import sink as overlay
from vos.io.write.overlay.encode import VideoForm
from vos.io.write.overlay.redraw import plan_redraw, redraw
from vos.io.write.overlay.sink import OverlaySink

FRAMES = 23
SIZE_HW = (clips.HEIGHT - 1, clips.WIDTH)


@pytest.fixture(autouse=True)
def short_segments(monkeypatch):
    monkeypatch.setattr(overlay, "SEGMENT_FRAMES", 5)


def frames(times: list[Fraction]) -> list[Frame]:
    return [
        Frame(clips.picture(index)[: SIZE_HW[0]], pts, index + 7, f"{index:05d}")
        for index, pts in enumerate(times)
    ]


def labels(frame_idx: int, changed: range = range(0)) -> np.ndarray:
    made = np.zeros(SIZE_HW, np.uint8)
    made[20:40, frame_idx : 40 + frame_idx] = 2 if frame_idx - 7 in changed else 1
    return made


def draw(path: Path, those: list[Frame], tick: Fraction | None, changed: range = range(0)) -> bytes:
    with OverlaySink(path, time_base=tick, frame_rate=Fraction(24)) as sink:
        for frame in those:
            result = FrameResult(
                frame.frame_idx, frame.pts, frame.name, labels(frame.frame_idx, changed), {}
            )
            sink.write(frame, result)
    return path.read_bytes()


EVEN = [Fraction(index, 24) for index in range(FRAMES)]
LATE = [Fraction(3, 2) + Fraction(index * 1001, 24000) for index in range(FRAMES)]
UNEVEN = [Fraction(index * index + 3 * index, 600) for index in range(FRAMES)]


@pytest.mark.parametrize("changed", [range(0, 2), range(6, 12), range(22, 23), range(0, FRAMES)])
@pytest.mark.parametrize(
    ("times", "tick"), [(EVEN, None), (LATE, Fraction(1, 24000)), (UNEVEN, Fraction(1, 600))]
)
def test_it_is_drawn_as_a_whole(tmp_path, times, tick, changed):
    those = frames(times)
    draw(tmp_path / "old.mp4", those, tick)
    whole = draw(tmp_path / "whole.mp4", those, tick, changed)
    form = VideoForm(SIZE_HW, tick or Fraction(1, 24), Fraction(24))
    plan = plan_redraw(tmp_path / "old.mp4", form, FRAMES, [changed])
    assert plan is not None
    read: list[int] = []

    def reading(pictures: range) -> Iterator[Frame]:
        read.extend(pictures)
        return iter(those[pictures.start : pictures.stop])

    warnings = redraw(
        plan,
        tmp_path / "new.mp4",
        read=reading,
        labels=lambda frame_idx: labels(frame_idx, changed),
        work=tmp_path,
        audio_from=None,
        audio_start_time=Fraction(0),
    )
    assert warnings == []
    assert (tmp_path / "new.mp4").read_bytes() == whole
    assert set(changed) <= set(read)
    assert len(read) <= len(changed) + 8, "only whole segments of 5 around what changed"


def test_another_video_is_not_taken_apart(tmp_path):
    draw(tmp_path / "old.mp4", frames(EVEN), None)
    form = VideoForm(SIZE_HW, Fraction(1, 24), Fraction(24))
    assert plan_redraw(tmp_path / "old.mp4", form, FRAMES - 1, []) is None
    coarse = VideoForm(SIZE_HW, Fraction(1, 7), Fraction(24))
    assert plan_redraw(tmp_path / "old.mp4", coarse, FRAMES, []) is None
    assert plan_redraw(tmp_path / "none.mp4", form, FRAMES, []) is None
    (tmp_path / "text.mp4").write_text("no video")
    assert plan_redraw(tmp_path / "text.mp4", form, FRAMES, []) is None


@pytest.mark.parametrize("kind", [b"avc1", b"vide", b"stsd", b"trak", b"avcC"])
def test_a_video_of_an_unknown_kind_is_not_taken_apart(tmp_path, kind: bytes):
    draw(tmp_path / "old.mp4", frames(EVEN), None)
    data = (tmp_path / "old.mp4").read_bytes()
    assert kind in data
    (tmp_path / "old.mp4").write_bytes(data.replace(kind, b"zzzz"))
    form = VideoForm(SIZE_HW, Fraction(1, 24), Fraction(24))
    plan_redraw(tmp_path / "old.mp4", form, FRAMES, [])  # None, or a plan; never another error
