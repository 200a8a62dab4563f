"""An object is absent where a prompt says so, and the tracker goes on from that."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from small_nano import small_nano
from vos.errors import PromptError
from vos.prompts import Absent, Box, MaskPrompt, Points
from vos.track.session import Session

BOX = (10.0, 8.0, 40.0, 36.0)


@pytest.fixture(scope="module")
def model():
    return small_nano()


def absent_frames(session: Session, frames, object_id: int = 1) -> list[int]:
    """Return the frames on which the object is there, but absent."""
    results = [session.track(frame) for frame in frames]
    found = []
    for result in results:
        scores = result.objects.get(object_id)
        if scores is not None and scores.object_score < 0:
            assert not result.masks[object_id].any()
            assert scores.iou_pred == 1.0
            found.append(result.frame_idx)
    return found


@pytest.mark.parametrize(
    ("absent", "expected"),
    [
        ([Absent(1, 3)], [3]),
        ([Absent(1, 3, 6)], [3, 4, 5, 6]),
        ([Absent(1, 3, "end")], [*range(3, 12)]),
        ([Absent(1, 3, "end"), Box(1, BOX, 8)], [*range(3, 8)]),
        ([Absent(1, 3, 5), Absent(1, 5, 7), Absent(1, 9)], [3, 4, 5, 6, 7, 9]),
        ([Absent(2, 3, "end"), Box(2, BOX, 1)], []),
    ],
)
def test_the_mask_is_empty_on_these_frames_and_the_tracker_decides_after(
    model, make_frames, absent, expected
):
    session = Session(model, [Box(1, BOX), *absent])
    assert absent_frames(session, make_frames(12)) == expected
    session.check_all_used()


def test_other_objects_are_as_they_were(tiny_model, make_frames):
    prompts = [Box(1, BOX), Box(2, (30.0, 10.0, 60.0, 40.0))]
    plain, said = Session(tiny_model, prompts), Session(tiny_model, [*prompts, Absent(1, 3, 5)])
    for frame in make_frames(9):
        one, other = plain.decode(frame), said.decode(frame)
        assert list(other) == [1, 2]
        assert torch.equal(one[2].logits, other[2].logits)
        if frame.frame_idx < 3:
            assert torch.equal(one[1].logits, other[1].logits)


def test_what_it_was_seen_as_before_is_forgotten_and_its_prompts_are_not(model, make_frames):
    session = Session(model, [Box(1, BOX), Points(1, ((20.0, 20.0),), (1,), 2), Absent(1, 6, 20)])
    encoded = []
    for frame in make_frames(22):
        if frame.frame_idx == 21:
            bank = session.banks[1]
            assert [entry.frame_idx for entry in bank.prompted] == [0, 2]
            assert [entry.frame_idx for entry in bank.recent] == [20]
            assert float(bank.recent[0].object_score) < 0
        encoded.append(session.state_bytes())
        session.track(frame)
    assert len(set(encoded[7:21])) == 1, "a long absence takes no memory"


def test_frames_without_any_object_are_not_encoded(model, make_frames, monkeypatch):
    encoded = []
    encode = type(model).encode_image
    monkeypatch.setattr(
        type(model), "encode_image", lambda self, image: encoded.append(1) or encode(self, image)
    )
    list(Session(model, [Box(1, BOX), Absent(1, 2, 8)]).run(make_frames(10)))
    assert len(encoded) == 4  # 0, 1, 9 and the last frame without it


def test_backward_it_is_the_same_frames(model, make_frames):
    frames = make_frames(12)[::-1]
    session = Session(model, [Box(1, BOX, 10), Absent(1, 3, 6)], reverse=True)
    assert absent_frames(session, frames) == [6, 5, 4, 3]
    assert [entry.frame_idx for entry in session.banks[1].recent][:1] == [3]
    session = Session(model, [Box(1, BOX, 10), Absent(1, 3, "end")], reverse=True)
    assert absent_frames(session, frames) == [*range(9, 2, -1)]


def test_added_on_the_way_it_is_as_if_known_before(model, make_frames):
    live, known = Session(model, [Box(1, BOX)]), Session(model, [Box(1, BOX), Absent(1, 4, 6)])
    for frame in make_frames(10):
        if frame.frame_idx == 2:
            live.add_prompt(Absent(1, 4, 6))
            with pytest.raises(PromptError, match="frame 5"):
                live.add_prompt(Box(1, BOX, 5))
        assert torch.equal(live.decode(frame)[1].logits, known.decode(frame)[1].logits)


def test_one_that_is_never_shown_is_an_error(model, make_frames):
    with pytest.raises(PromptError, match="object 2 is only said to be absent"):
        list(Session(model, [Box(1, BOX), Absent(2, 1)]).run(make_frames(3)))
    with pytest.raises(PromptError, match="frame 9"):
        list(Session(model, [Box(1, BOX), Absent(1, 9)]).run(make_frames(3)))
    mask = np.zeros((48, 64), dtype=bool)
    with pytest.raises(PromptError, match="Absent"):
        MaskPrompt(1, mask)


def test_a_prompt_that_ends_an_absence_may_come_late(model, make_frames):
    """A stopped track goes on with a new prompt as if that had been known before."""
    frames = make_frames(12)
    prompts = [Box(1, BOX), Absent(1, 3, "end")]
    known = Session(model, [*prompts, Box(1, BOX, 8)])
    expected = [known.decode(frame) for frame in frames]
    stopped = Session(model, prompts)
    for frame in frames[:8]:
        stopped.decode(frame)
    live = stopped.resume(stopped.snapshot(), (48, 64))
    live.add_prompt(Box(1, BOX, 8))
    for frame in frames[8:]:
        assert torch.equal(live.decode(frame)[1].logits, expected[frame.frame_idx][1].logits)
