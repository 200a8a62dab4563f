"""The sink of docs/inside/examples/add_a_sink.md, run from that very file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from example_files import EXAMPLES, imported
from vos.frame import Frame, FrameResult, ObjectResult
from vos.io.read.source import SourceInfo
from vos.io.results.checkpoints import SavedState
from vos.io.write import registry
from vos.io.write.registry import OutputPlace, open_sinks
from vos.io.write.sink import Sink

SIZE_HW = (20, 30)
HEADER = ["frame_idx", "name", "object_id", "left_px", "top_px", "right_px", "bottom_px"]


@pytest.fixture(scope="module")
def example() -> Iterator[ModuleType]:
    with imported("bounding_boxes_sink") as module:
        yield module


@pytest.fixture
def place(tmp_path: Path) -> OutputPlace:
    info = SourceInfo(tmp_path / "clip.mp4", "video", SIZE_HW, 3, Fraction(24), None)
    return OutputPlace(tmp_path, tmp_path, info)


def pair(frame_idx: int) -> tuple[Frame, FrameResult]:
    """Object 1 moves right by a pixel per frame, 7 is one pixel, 9 is absent."""
    name, pts = f'{frame_idx}, "a"', Fraction(frame_idx, 24)
    labels = np.zeros(SIZE_HW, np.uint8)
    labels[2:5, 3 + frame_idx : 9 + frame_idx] = 1
    labels[19, 29] = 7
    scores = {object_id: ObjectResult(0.9, 4.0) for object_id in (9, 7, 1)}
    frame = Frame(np.zeros((*SIZE_HW, 3), np.uint8), pts, frame_idx, name)
    return frame, FrameResult(frame_idx, pts, name, labels, scores)


def write(sink: Sink, frames: range) -> None:
    for frame_idx in frames:
        sink.write(*pair(frame_idx))


def test_each_box_is_a_row(example: ModuleType, tmp_path: Path):
    path = tmp_path / "boxes.csv"
    with example.BoundingBoxSink(path) as sink:
        write(sink, range(2))
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [
            HEADER,
            ["0", '0, "a"', "1", "3", "2", "9", "5"],
            ["0", '0, "a"', "7", "29", "19", "30", "20"],
            ["1", '1, "a"', "1", "4", "2", "10", "5"],
            ["1", '1, "a"', "7", "29", "19", "30", "20"],
        ]


@pytest.mark.parametrize("saved_at", [0, 1, 3])
def test_a_run_that_was_stopped_and_resumed_writes_the_same(
    example: ModuleType, tmp_path: Path, saved_at: int
):
    whole, path = tmp_path / "whole.csv", tmp_path / "resumed.csv"
    with example.BoundingBoxSink(whole) as sink:
        write(sink, range(5))
    stopped = example.BoundingBoxSink(path)
    write(stopped, range(saved_at))
    state = stopped.checkpoint()
    write(stopped, range(saved_at, 4))
    stopped.abandon()
    with example.BoundingBoxSink(path, resume=state) as sink:
        write(sink, range(saved_at, 5))
    assert path.read_bytes() == whole.read_bytes()


def test_one_entry_registers_it(example: ModuleType, place: OutputPlace, monkeypatch):
    monkeypatch.setitem(registry.SINKS, "bounding_boxes", example.open_bounding_boxes)
    saved: dict[str, SavedState] = {}
    opened = list(open_sinks({"bounding_boxes", "stats"}, place, saved))
    assert [sink.name for sink in opened] == ["stats", "bounding_boxes"]
    for sink in opened:
        with sink:
            write(sink, range(3))
    rows = (place.folder / "bounding_boxes.csv").read_text().splitlines()
    assert len(rows) == 1 + 3 * 2


def test_the_guide_names_what_there_is(example: ModuleType):
    guide = (EXAMPLES / "add_a_sink.md").read_text()
    for name in registry.SINKS:
        assert f'"{name}": _open_{name},' in guide
    assert f'"{example.BoundingBoxSink.name}": {example.open_bounding_boxes.__name__},' in guide


@pytest.mark.parametrize("name", registry.SINKS)
def test_every_sink_is_registered_by_its_own_name(place: OutputPlace, name: str):
    (sink,) = open_sinks({name}, place, {})
    sink.close()
    assert sink.name == name
