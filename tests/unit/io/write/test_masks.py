"""Masks are encoded by several threads, and nobody can tell from what is written."""

from __future__ import annotations

import json
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vos.errors import OutputError
from vos.frame import Frame, FrameResult
from vos.io.write import masks, png_sink
from vos.io.write.mask_png import encode_label_png, read_label_png
from vos.io.write.masks import MaskSink

Pair = tuple[Frame, FrameResult]


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png_sink.os, "cpu_count", lambda: 4)


def pairs(count: int, size_hw: tuple[int, int] = (24, 32)) -> list[Pair]:
    """Frames whose masks have the frame's number plus one everywhere."""
    found = []
    for index in range(count):
        image = np.zeros((*size_hw, 3), np.uint8)
        labels = np.full(size_hw, index + 1, np.uint8)
        name, pts = f"{index:05d}", Fraction(index)
        found.append((Frame(image, pts, index, name), FrameResult(index, pts, name, labels, {})))
    return found


def threads() -> int:
    return sum(thread.name.startswith("vos-masks") for thread in threading.enumerate())


def encode_then_fail(number: int):
    def encode(labels: np.ndarray) -> bytes:
        if labels[0, 0] == number:
            raise OutputError("disk is full")
        return encode_label_png(labels)

    return encode


def test_the_list_has_the_order_of_the_frames_whoever_is_done_first(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    delays = rng.uniform(0, 0.01, 41).tolist()

    def encode(labels: np.ndarray) -> bytes:
        time.sleep(delays[labels[0, 0]])
        return encode_label_png(labels)

    monkeypatch.setattr(masks, "encode_label_png", encode)
    (tmp_path / "work").mkdir()
    with MaskSink(tmp_path / "masks", work=tmp_path / "work") as sink:
        for frame, result in pairs(40):
            sink.write(frame, result)
    lines = (tmp_path / "work" / "masks.jsonl").read_text().splitlines()
    names = [f"{index:05d}.png" for index in range(40)]
    assert [json.loads(line)[0] for line in lines] == names
    for index, (name, size) in enumerate(map(json.loads, lines)):
        path = tmp_path / "masks" / name
        assert path.stat().st_size == size
        assert (read_label_png(path) == index + 1).all()
    assert not threads()


def test_few_masks_wait_and_several_are_encoded_at_once(tmp_path, monkeypatch):
    running: list[int] = []
    everyone = threading.Barrier(4, timeout=10)

    def encode(labels: np.ndarray) -> bytes:
        running.append(int(labels[0, 0]))
        everyone.wait()
        return encode_label_png(labels)

    monkeypatch.setattr(masks, "encode_label_png", encode)
    with MaskSink(tmp_path) as sink:
        for one in pairs(8):
            sink.write(*one)
    assert sorted(running[:4]) == [1, 2, 3, 4]


def test_one_more_than_there_are_threads_waits(tmp_path, monkeypatch):
    may_go = threading.Event()

    def encode(labels: np.ndarray) -> bytes:
        may_go.wait(10)
        return encode_label_png(labels)

    monkeypatch.setattr(masks, "encode_label_png", encode)
    with MaskSink(tmp_path) as sink:
        *four, fifth = pairs(5)
        for one in four:
            sink.write(*one)
        writer = threading.Thread(target=sink.write, args=fifth)
        writer.start()
        writer.join(0.05)
        assert writer.is_alive()
        may_go.set()
        writer.join(10)
        assert not writer.is_alive()
    assert len(list(tmp_path.iterdir())) == 5


def test_a_failure_comes_out_of_the_next_write_and_of_all_that_follows(tmp_path, monkeypatch):
    monkeypatch.setattr(masks, "encode_label_png", encode_then_fail(1))
    (tmp_path / "work").mkdir()
    sink = MaskSink(tmp_path / "masks", work=tmp_path / "work")
    first, second, third, *_ = pairs(3)
    sink.write(*first)
    while not sink._encoding[0][1].done():
        time.sleep(0.001)
    for attempt in (
        lambda: sink.write(*second),
        sink.checkpoint,
        lambda: sink.write(*third),
        sink.close,
    ):
        with pytest.raises(OutputError, match="disk is full"):
            attempt()
    assert (tmp_path / "work" / "masks.jsonl").read_bytes() == b""
    assert not threads()


def test_a_failure_of_the_last_mask_comes_out_of_closing(tmp_path, monkeypatch):
    monkeypatch.setattr(masks, "encode_label_png", encode_then_fail(4))
    sink = MaskSink(tmp_path)
    for one in pairs(4):
        sink.write(*one)
    with pytest.raises(OutputError, match="disk is full"):
        sink.close()
    assert not threads()


def test_a_checkpoint_has_everything_that_was_handed_over(tmp_path, monkeypatch):
    def encode(labels: np.ndarray) -> bytes:
        time.sleep(0.02)
        return encode_label_png(labels)

    monkeypatch.setattr(masks, "encode_label_png", encode)
    (tmp_path / "work").mkdir()
    folder, work = tmp_path / "masks", tmp_path / "work"
    sink = MaskSink(folder, work=work)
    for one in pairs(6)[:3]:
        sink.write(*one)
    saved = sink.checkpoint()
    for one in pairs(6)[3:]:
        sink.write(*one)
    sink.abandon()
    assert not threads()
    with MaskSink(folder, work=work, resume=saved):
        assert names(folder) == ["00000.png", "00001.png", "00002.png"]


def test_what_a_killed_run_left_empty_is_removed(tmp_path):
    (tmp_path / "work").mkdir()
    folder, work = tmp_path / "masks", tmp_path / "work"
    sink = MaskSink(folder, work=work)
    sink.write(*pairs(1)[0])
    saved = sink.checkpoint()
    sink.abandon()
    (folder / "00001.png").touch()
    with MaskSink(folder, work=work, resume=saved) as again:
        for one in pairs(3)[1:]:
            again.write(*one)
    assert all((folder / name).stat().st_size for name in names(folder))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
