"""Huge frames: few in memory, the same pixels, and a video that is whole."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from vos.frame import Frame, FrameResult
from vos.io.write.overlay import encode, encoders, sink
from vos.io.write.overlay.sink import OverlaySink

RNG = np.random.default_rng(0)


def planes(frame: av.VideoFrame) -> list[bytes]:
    return [encode._rows(plane).tobytes() for plane in frame.planes]


@pytest.mark.parametrize("size_hw", [(180, 130), (181, 131), (770, 41), (64, 64), (65, 30)])
def test_bands_give_the_same_pixels(size_hw, monkeypatch: pytest.MonkeyPatch) -> None:
    image = RNG.integers(0, 256, (*size_hw, 3), np.uint8)
    labels = np.zeros(size_hw, np.uint8)
    labels[10:60, 5:20], labels[50:, 15:] = 1, 2
    whole = encode.draw_yuv(image, labels)
    monkeypatch.setattr(encode, "MOST_PIXELS_WELL_PACKED", 1)
    monkeypatch.setattr(encode, "_BAND_ROWS", 32)
    monkeypatch.setattr(encode, "_BAND_OVERLAP", 16)
    banded = encode.draw_yuv(image, labels)
    assert planes(banded) == planes(whole)
    assert (banded.colorspace, banded.color_range) == (whole.colorspace, whole.color_range)


def write(path: Path, frames: range, work: Path | None = None, resume=None) -> OverlaySink:
    overlay = OverlaySink(path, frame_rate=Fraction(24), work=work, resume=resume)
    for idx in frames:
        image = np.roll(RNG_IMAGE, idx * 3, axis=1)
        labels = np.zeros(image.shape[:2], np.uint8)
        labels[8:30, 4 + idx : 20 + idx] = 1
        frame = Frame(image, Fraction(idx, 24), idx, f"{idx:05d}")
        if resume is not None and idx in REPLAYED:
            overlay.replay(frame)
        else:
            overlay.write(frame, FrameResult(idx, frame.pts, frame.name, labels, {}))
    return overlay


RNG_IMAGE = np.kron(RNG.integers(0, 256, (6, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
REPLAYED = range(4, 6)


def test_segments_follow_one_another_and_resume(tmp_path: Path, monkeypatch) -> None:
    for module in (encode, encoders):
        monkeypatch.setattr(module, "MOST_PIXELS_WELL_PACKED", 1)
    monkeypatch.setattr(sink, "SEGMENT_FRAMES", 4)
    write(tmp_path / "a.mp4", range(11)).close()
    with av.open(str(tmp_path / "a.mp4")) as opened:
        packets = [packet for packet in opened.demux(video=0) if packet.size]
    assert len(packets) == 11
    assert all(one.dts < other.dts for one, other in pairwise(packets))
    with av.open(str(tmp_path / "a.mp4")) as opened:
        times = [frame.time for frame in opened.decode(video=0)]
    assert times == pytest.approx([idx / 24 for idx in range(11)])

    work = tmp_path / "work"
    work.mkdir()
    first = write(tmp_path / "b.mp4", range(6), work)
    state = first.checkpoint()
    first.abandon()
    write(tmp_path / "b.mp4", range(4, 11), work, state).close()
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "a.mp4").read_bytes()
