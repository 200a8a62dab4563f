"""The model behind the preview, and the frames it is given."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vos.errors import OutputError
from vos.io.read.open import open_source

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
pytest.importorskip("httpx2", reason="Starlette's test client needs it")


from vos_cli.studio.preview import Previewer
from vos_cli.studio.session import StudioSession


def test_only_changed_objects_are_asked_again_and_undo_gives_the_same(session: StudioSession):
    import torch

    from vos.loading import load
    from vos.prompts import Box, Points

    torch.manual_seed(0)
    calls: list[int] = []
    tracker = load("nano", size_px=128)
    previewer = Previewer(lambda: tracker, session.frames)
    one, two = Box(1, (20, 16, 52, 48), 1), Box(2, (60, 5, 90, 30), 1)
    click = Points(1, ((30.5, 30.5),), (1,), 1)
    first = previewer.masks(1, [one, two, Box(1, (1, 1, 9, 9), 3)])
    frame = previewer._encoded[1]
    original = type(frame.segmenter).decode
    assert first.label_map.any()

    def counted(self: Any, prompts: Any) -> Any:
        calls.extend(prompt.object_id for prompt in prompts)
        return original(self, prompts)

    frame.segmenter.__class__.decode = counted  # pyright: ignore[reportAttributeAccessIssue]
    try:
        previewer.masks(1, [one, click, two])
        assert calls == [1, 1]
        again = previewer.masks(1, [one, two])
        assert calls == [1, 1, 1]
    finally:
        frame.segmenter.__class__.decode = original
    assert np.array_equal(again.label_map, first.label_map)
    expected = next(iter(tracker.session([one, two]).run(_only(session, 1))))
    assert np.array_equal(first.label_map, expected.label_map)
    negative = replace(click, labels=(0,), object_id=3)
    assert "object 3" in previewer.masks(1, [negative]).notes[3]
    assert previewer.masks(1, []).scores == {}


def _only(session: StudioSession, frame_idx: int) -> Iterator[Any]:
    with open_source(session.info.path) as source:
        yield from source.frames(frame_idx, frame_idx + 1)


def test_a_model_that_fails_to_load_says_why(session: StudioSession):
    def fail() -> Any:
        raise OutputError("no such model")

    previewer = Previewer(fail, session.frames)
    with pytest.raises(OutputError, match="no such model"):
        previewer.masks(0, [])
    assert not previewer.is_ready
    assert str(previewer.error) == "no such model"


def test_reads_from_several_threads(session: StudioSession):
    expected = [session.frames.read(idx) for idx in range(5)]
    wrong: list[int] = []

    def read(offset: int) -> None:
        for step in range(20):
            idx = (offset + 3 * step) % 5
            if not np.array_equal(session.frames.read(idx), expected[idx]):
                wrong.append(idx)

    threads = [threading.Thread(target=read, args=(i,)) for i in range(4)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert time.monotonic() - started < 30
