"""Each sink of a job has a thread of its own, and errors come out whichever it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from vos.errors import OutputError
from vos.frame import Frame, FrameResult
from vos.io.results.checkpoints import SavedState
from vos.io.write.sink import Sink
from vos_cli.console.progress import open_progress
from vos_cli.job.resumable import WRITTEN_BEHIND, ResumableRun

COUNT = 10


class FakeStream:
    """A stream of small frames that counts what it gave."""

    steps = frames = next_idx = 0

    def machine(self) -> dict[str, Any]:
        return {}

    def backward(self) -> Iterator[int]:
        return iter(())

    def results(self, _replay_from: object, _replay: object) -> Iterator[Any]:
        for index in range(COUNT):
            pts, name = Fraction(index), f"{index:05d}"
            image, labels = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)
            self.frames += 1
            yield Frame(image, pts, index, name), FrameResult(index, pts, name, labels, {})

    def checkpoint(self) -> SavedState:
        return SavedState({"frames": self.frames})


class FakeSink(Sink):
    """A sink that remembers, that may wait, and that may fail on one frame."""

    def __init__(self, name: str, wait: threading.Event | None = None, fail_on: int = -1) -> None:
        super().__init__()
        self.name = name
        self._wait, self._fail_on = wait, fail_on
        self.seen: list[int] = []
        self.has_some = threading.Semaphore(0)

    def write(self, frame: Frame, result: FrameResult) -> None:
        if self._wait is not None:
            self._wait.wait(10)
        if frame.frame_idx == self._fail_on:
            raise OutputError(f"{self.name}: no room")
        self.seen.append(frame.frame_idx)
        self.has_some.release()

    def checkpoint(self) -> SavedState:
        return SavedState({"seen": len(self.seen)})

    def _finish(self) -> None:
        """Nothing is held."""


class FakeFolder:
    """An output folder that keeps what is saved."""

    def __init__(self) -> None:
        self.saved: list[dict[str, Any]] = []

    def save(self, header: dict[str, Any], _parts: object) -> None:
        self.saved.append(header["values"])


def start(sinks: list[Sink], folder: FakeFolder, period_s: float) -> ResumableRun:
    stream = FakeStream()

    def open_parts(_saved: object, stack: ExitStack) -> Any:
        return stream, [stack.enter_context(sink) for sink in sinks]

    return ResumableRun(folder, open_parts, None, period_s)  # pyright: ignore[reportArgumentType]


def go(run: ResumableRun) -> None:
    with run, open_progress("none", COUNT) as progress:
        run.run(progress)


def writers() -> int:
    return sum(thread.name.startswith("vos-write") for thread in threading.enumerate())


def test_masks_do_not_wait_for_the_overlay():
    may_go = threading.Event()
    quick, slow = FakeSink("masks"), FakeSink("overlay", wait=may_go)
    thread = threading.Thread(target=go, args=(start([quick, slow], FakeFolder(), 1e6),))
    thread.start()
    for _ in range(WRITTEN_BEHIND):
        assert quick.has_some.acquire(timeout=10)
    assert slow.seen == []
    may_go.set()
    thread.join(10)
    assert quick.seen == slow.seen == list(range(COUNT))
    assert not writers()


def test_a_checkpoint_waits_for_every_sink():
    sinks: list[Sink] = [FakeSink("a"), FakeSink("b")]
    folder = FakeFolder()
    go(start(sinks, folder, 0))
    assert [one["a"]["seen"] for one in folder.saved] == list(range(1, COUNT + 1))
    assert [one["b"] for one in folder.saved] == [one["a"] for one in folder.saved]
    assert [one["stream"]["frames"] for one in folder.saved] == list(range(1, COUNT + 1))


@pytest.mark.parametrize("fail_on", [0, 4, COUNT - 1])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_an_error_of_any_sink_ends_the_run(fail_on, which):
    sinks: list[Sink] = [FakeSink(name) for name in "abc"]
    sinks[which] = FakeSink("bad", fail_on=fail_on)
    with pytest.raises(OutputError, match="bad: no room"):
        go(start(sinks, FakeFolder(), 1e6))
    assert not writers()
