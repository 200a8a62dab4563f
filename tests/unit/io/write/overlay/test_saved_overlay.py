"""The saved state of an overlay that somebody changed, signed again: refused, or as it was."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vos.errors import ResumeError
from vos.frame import Frame, FrameResult
from vos.io.results.checkpoints import SavedState, saved_by_another
from vos.io.write.overlay.sink import OverlaySink

SIZE_HW = (16, 24)


def frame(index: int) -> Frame:
    image = np.full((*SIZE_HW, 3), 9 * index, np.uint8)
    return Frame(image, Fraction(index, 25), index, f"{index:05}")


def result(index: int) -> FrameResult:
    labels = np.full(SIZE_HW, index % 2, np.uint8)
    return FrameResult(index, Fraction(index, 25), f"{index:05}", labels, {})


def open_sink(folder: Path, resume: SavedState | None = None) -> OverlaySink:
    return OverlaySink(folder / "overlay.mp4", frame_rate=Fraction(25), work=folder, resume=resume)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SavedState]:
    folder = tmp_path_factory.mktemp("overlay")
    sink = open_sink(folder)
    for index in range(4):
        sink.write(frame(index), result(index))
    state = sink.checkpoint()
    sink.abandon()
    return folder, state


def resume(folder: Path, state: SavedState) -> None:
    """Read a state as a run does, and show the frames that it wants to see again."""
    with saved_by_another():
        sink = open_sink(folder, state)
    try:
        with saved_by_another():
            sink.check_resumed(4, 3)
        for index in range(4):
            sink.replay(frame(index))
        sink.write(frame(4), result(4))
    finally:
        sink.abandon()


def pack(*entries: tuple[int, bytes]) -> bytes:
    return b"".join(struct.pack("<qI", index, len(data)) + data for index, data in entries)


WHOLE = zlib.compress(bytes(16 * 24))


@pytest.mark.parametrize(
    "blob",
    [
        pack((0, WHOLE))[:-1],
        pack((0, WHOLE)) + b"\0" * 5,
        pack((0, b"no zlib")),
        pack((0, zlib.compress(bytes(16 * 24 - 1)))),
        pack((0, zlib.compress(bytes(2**20)))),
        pack((-1, WHOLE)),
        pack((0, WHOLE), (2, WHOLE)),
        pack((2**40, WHOLE)),
        pack((0, WHOLE), (1, WHOLE), (2, WHOLE), (3, WHOLE), (4, WHOLE)),
    ],
)
def test_labels_that_are_not_whole_are_refused(saved: tuple[Path, SavedState], blob: bytes) -> None:
    folder, state = saved
    with pytest.raises(ResumeError):
        resume(folder, SavedState(state.values, blob))


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_damaged_labels_are_refused_or_the_same(
    saved: tuple[Path, SavedState], data: st.DataObject
) -> None:
    folder, state = saved
    blob = bytearray(state.blob)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(blob) - 1))
        if data.draw(st.booleans()):
            blob[place] = data.draw(st.integers(0, 255))
        else:
            del blob[place : place + data.draw(st.integers(1, 20))]
        if not blob:
            return
    try:
        resume(folder, SavedState(state.values, bytes(blob)))
    except ResumeError:
        return


ODD: Any = st.sampled_from(
    [None, True, -1, 0, 7, 2**31, 2**63, 2**70, 1e308, "", "x", [], {}, [1, 1], [3, 2], [0] * 50]
)


@given(key=st.sampled_from(["packets", "size_hw", "first", "earlier"]), value=ODD)
@settings(max_examples=64, deadline=None)
def test_odd_values_are_refused_or_the_same(
    saved: tuple[Path, SavedState], key: str, value: Any
) -> None:
    folder, state = saved
    try:
        resume(folder, SavedState({**state.values, key: value}, state.blob))
    except ResumeError:
        return
