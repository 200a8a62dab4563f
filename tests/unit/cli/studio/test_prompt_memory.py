"""Previews from the memory of the prompted frames: a session's that had only those frames."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from e2e import clips
from vos.api import Tracker
from vos.frame import Frame, FrameResult
from vos.model.load import ModelInfo
from vos.prompts import Absent, Box, Points, Prompt
from vos.prompts.absence import Absences
from vos.refine.base import NoRefiner
from vos.track.policy import Fifo

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
pytest.importorskip("httpx2", reason="Starlette's test client needs it")

from vos_cli.studio import prompt_memory
from vos_cli.studio.document import History, make_document
from vos_cli.studio.preview import Previewer
from vos_cli.studio.session import StudioSession

BOX = Box(1, (20, 16, 52, 48), 0)
CLICK = Points(1, ((30.5, 30.5),), (1,), 4)
AWAY = Points(1, ((60.5, 12.5),), (0,), 9)
LATER = Box(2, (60, 5, 90, 30), 6)


class Footage:
    """The frames of a clip of any length, which says which were read."""

    def __init__(self) -> None:
        self.was_read: list[int] = []

    def read(self, frame_idx: int) -> np.ndarray:
        self.was_read.append(frame_idx)
        return clips.picture(frame_idx)


@pytest.fixture
def tracker(tiny_model: Any) -> Tracker:
    info = ModelInfo("nano", "nano", Path("nano"), "0" * 64, 64, False)
    return Tracker(tiny_model, info, NoRefiner(), torch.float32, Fifo())


@pytest.fixture
def footage() -> Footage:
    return Footage()


@pytest.fixture
def previewer(tracker: Tracker, footage: Footage) -> Previewer:
    return Previewer(lambda: tracker, footage)  # pyright: ignore[reportArgumentType]


def expect(tracker: Tracker, prompts: Sequence[Prompt], frame_idx: int) -> FrameResult:
    """Track one object's prompted frames up to this one, and no other."""
    ends = Absences.of(prompts).end_frames(prompts[0].object_id)
    frames = {one.frame_idx for one in prompts} | ends | {frame_idx}
    session = tracker.session(prompts)
    return [session.track(picture(idx)) for idx in sorted(frames) if idx <= frame_idx][-1]


def picture(frame_idx: int) -> Frame:
    return Frame(clips.picture(frame_idx), Fraction(frame_idx, 24), frame_idx, str(frame_idx))


@pytest.mark.parametrize(
    "prompts",
    [
        [BOX],
        [BOX, CLICK],
        [BOX, CLICK, AWAY],
        [AWAY, CLICK, BOX],
        [BOX, Absent(1, 3)],
        [BOX, Absent(1, 2, 5), AWAY],
        [BOX, Absent(1, 3, "end"), Box(1, (30, 16, 62, 48), 8), AWAY],
        [Absent(1, 0, 2), CLICK, Absent(1, 6, "end")],
    ],
)
def test_it_is_that_of_a_session_with_the_prompted_frames_only(
    previewer: Previewer, tracker: Tracker, prompts: list[Prompt]
):
    first = min(one.frame_idx for one in prompts if not isinstance(one, Absent))
    for frame_idx in (9, first + 1, 5, 30, 7):  # there and back, as people go
        shown = previewer.masks(frame_idx, prompts)
        expected = expect(tracker, prompts, frame_idx)
        assert np.array_equal(shown.label_map, expected.label_map), frame_idx
        assert shown.scores == expected.objects
        is_absent = Absences.of(prompts).hold(1, frame_idx)
        assert shown.from_prompts == (() if is_absent else (1,))
        assert not (is_absent and shown.label_map.any())


def test_nothing_is_seen_before_the_first_prompt(previewer: Previewer):
    for frame_idx in (0, 3, 5):
        early = previewer.masks(frame_idx, [LATER])
        assert (early.label_map.any(), early.scores, early.from_prompts) == (False, {}, ())
    assert previewer.masks(6, [LATER]).from_prompts == ()  # what tracking gives there
    assert previewer.masks(7, [LATER]).from_prompts == (2,)


def test_objects_do_not_change_each_other_s_memory(previewer: Previewer, tracker: Tracker):
    from vos.track.compose import compose

    both = previewer.masks(9, [BOX, LATER, CLICK])
    assert both.from_prompts == (1, 2)
    logits: dict[int, Any] = {}
    for own in ([BOX, CLICK], [LATER]):
        session = tracker.session(own)
        for one in own:
            session.decode(picture(one.frame_idx))
        logits |= session.decode(picture(9))
    expected = compose(picture(9), logits)
    assert np.array_equal(both.label_map, expected.label_map)
    on_first = previewer.masks(6, [BOX, LATER, CLICK])
    assert on_first.from_prompts == (1,)
    assert on_first.scores[2] == expect(tracker, [LATER], 6).objects[2]


def test_a_click_costs_one_object_and_no_image(
    previewer: Previewer, tracker: Tracker, footage: Footage, monkeypatch: pytest.MonkeyPatch
):
    encoded: list[None] = []
    kind = type(tracker.model)
    original = kind.encode_image
    monkeypatch.setattr(
        kind, "encode_image", lambda *given: (encoded.append(None), original(*given))[1]
    )
    decoded: list[int] = []
    remember = prompt_memory.PromptMemory.predict

    def counted(self: Any, tracker: Any, prompts: Any, *rest: Any) -> Any:
        decoded.append(prompts[0].object_id)
        return remember(self, tracker, prompts, *rest)

    monkeypatch.setattr(prompt_memory.PromptMemory, "predict", counted)
    before = previewer.masks(9, [BOX, LATER])
    assert (footage.was_read, len(encoded), decoded) == ([0, 9, 6], 3, [1, 2])
    clicked = previewer.masks(9, [BOX, LATER, AWAY])
    assert (len(footage.was_read), len(encoded), decoded) == (3, 3, [1, 2, 1])
    assert not np.array_equal(clicked.label_map == 1, before.label_map == 1)
    undone = previewer.masks(9, [BOX, LATER])
    assert np.array_equal(undone.label_map, before.label_map)
    previewer.masks(9, [BOX, LATER])
    assert len(decoded) == 4, "the same again is at hand"
    previewer.masks(20, [BOX, LATER, AWAY])
    assert (footage.was_read, len(encoded)) == ([0, 9, 6, 20], 4), "frame 9 is remembered"


def test_an_edited_prompt_is_another_memory(previewer: Previewer, tracker: Tracker):
    old = previewer.masks(9, [BOX, CLICK])
    moved = Points(1, ((60.5, 12.5),), (1,), 4)
    new = previewer.masks(9, [BOX, moved])
    assert np.array_equal(new.label_map, expect(tracker, [BOX, moved], 9).label_map)
    assert not np.array_equal(new.label_map, old.label_map)
    assert np.array_equal(previewer.masks(9, [BOX, CLICK]).label_map, old.label_map)


def test_what_cannot_start_is_said_on_later_frames_too(previewer: Previewer):
    shown = previewer.masks(12, [AWAY, LATER])
    assert "negative points only" in shown.notes[1]
    assert shown.from_prompts == (2,)


def test_memory_is_bounded(previewer: Previewer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prompt_memory, "_BANKS_KEPT", 3)
    prompts = [Points(1, ((30.5 + idx, 30.5),), (1,), idx) for idx in range(9)]
    first = previewer.masks(20, prompts)
    assert len(previewer._memory._banks) == 3
    assert len(previewer._encoded) == 6
    assert np.array_equal(first.label_map, previewer.masks(20, prompts).label_map)
    for idx in (1, 2, 3):  # then what is at hand is far behind
        previewer.masks(idx, prompts)
    expected = expect(previewer.tracker(), prompts, 21).label_map
    assert np.array_equal(previewer.masks(21, prompts).label_map, expected)
    expected = expect(previewer.tracker(), prompts[:4], 5).label_map
    assert np.array_equal(previewer.masks(5, prompts[:4]).label_map, expected)


def test_requests_at_once_get_their_own_masks(previewer: Previewer):
    asked = [(idx, prompts) for idx in (3, 7, 12) for prompts in ([BOX], [BOX, CLICK, LATER])]
    expected = [previewer.masks(*one).label_map for one in asked]
    wrong: list[int] = []

    def ask(at: int) -> None:
        for _ in range(3):
            if not np.array_equal(previewer.masks(*asked[at]).label_map, expected[at]):
                wrong.append(at)

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(len(asked))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_tracking_backward_promises_nothing_of_earlier_prompts(
    session: StudioSession, tracker: Tracker
):
    session.previewer = Previewer(lambda: tracker, session.frames)
    session.history = History(make_document([BOX, Points(1, ((40.5, 30.5),), (1,), 2)], {}))
    _, forward = session.preview(3)
    assert forward.from_prompts == (1,)
    session.runs = SimpleNamespace(is_backward=True)  # pyright: ignore[reportAttributeAccessIssue]
    assert session.is_backward
    _, later = session.preview(3)
    assert (later.label_map.any(), later.from_prompts) == (False, ())
    _, drawn = session.preview(2)
    alone = session.previewer.masks(2, [Points(1, ((40.5, 30.5),), (1,), 2)])
    assert np.array_equal(drawn.label_map, alone.label_map)
