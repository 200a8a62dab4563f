"""A session to bytes and back: every later frame has the same bits."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from vos.errors import PromptError
from vos.model.files.torch_file import ForeignError
from vos.model.types import MemoryEntry
from vos.prompts.kinds import Absent, Box, MaskPrompt, Points
from vos.track.memory_bank import MemoryBank
from vos.track.session import Session
from vos.track.snapshot import SessionState, from_bytes, to_bytes

SIZE_HW = (48, 64)
MASK = np.zeros(SIZE_HW, dtype=bool)
MASK[10:30, 12:40] = True
PROMPTS = (
    Box(1, (10.0, 8.0, 40.0, 36.0), frame_idx=1),
    MaskPrompt(4, MASK, frame_idx=3),
    Points(1, ((30.0, 20.0), (5.0, 5.0)), (1, 0), frame_idx=9),
    Points(7, ((20.0, 20.0),), (1,), frame_idx=12),
    Absent(1, 3, 5),
)
CPU = torch.device("cpu")


def answers(session: Session, frames) -> list:
    return [
        {
            object_id: (answer.logits, answer.scores)
            for object_id, answer in session.decode(frame).items()
        }
        for frame in frames
    ]


def same(left, right) -> bool:
    return len(left) == len(right) and all(
        one.keys() == other.keys()
        and all(torch.equal(one[i][0], other[i][0]) and one[i][1] == other[i][1] for i in one)
        for one, other in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("reverse", [False, True])
def test_continued_after_any_frame_it_gives_the_same_bits(tiny_model, make_frames, reverse):
    frames = make_frames(16)[:: -1 if reverse else 1]
    whole = Session(tiny_model, PROMPTS, reverse=reverse)
    saved, expected = [], []
    for frame in frames:
        saved.append(to_bytes(whole.snapshot()))
        expected += answers(whole, [frame])
    for done in (0, 2, 4, 10, 15):
        session = Session(tiny_model, PROMPTS, reverse=reverse)
        session = session.resume(from_bytes(saved[done], CPU), SIZE_HW)
        assert same(answers(session, frames[done:]), expected[done:]), done
        session.check_all_used()


def test_prompts_that_are_done_do_not_come_again_and_the_others_are_missed(tiny_model, make_frames):
    session = Session(tiny_model, PROMPTS)
    answers(session, make_frames(5))
    state = session.snapshot()
    assert state.waiting == ((9, 1), (12, 7))
    restored = Session(tiny_model, PROMPTS).resume(state, SIZE_HW)
    assert restored.snapshot().waiting == state.waiting
    with pytest.raises(PromptError, match="frame 9"):
        restored.check_all_used()


def test_an_object_that_was_removed_stays_away(tiny_model, make_frames):
    session = Session(tiny_model, PROMPTS)
    frames = make_frames(14)
    answers(session, frames[:5])
    session.remove_object(1)
    state = from_bytes(to_bytes(session.snapshot()), CPU)
    restored = Session(tiny_model, PROMPTS).resume(state, SIZE_HW)
    later = answers(restored, frames[5:])
    assert {object_id for answer in later for object_id in answer} == {4, 7}


def test_bytes_hold_no_more_than_the_banks(tiny_model, make_frames):
    """Views of large tensors must not take them along."""
    session = Session(tiny_model, PROMPTS)
    sizes = []
    for frame in make_frames(32):
        session.decode(frame)
        sizes.append(len(to_bytes(session.snapshot())))
    assert sizes[-1] == pytest.approx(sizes[28], rel=0.01)
    prompts = 4 * 64 * 64 + 4096  # the mask prompt at the model's size, and small things
    assert sizes[-1] < 1.5 * session.state_bytes() + prompts + 60_000


def test_the_memory_layout_survives():
    spatial = torch.rand(1, 4, 6, 6).to(torch.bfloat16).to(memory_format=torch.channels_last)
    entry = MemoryEntry(3, spatial, torch.rand(8)[None], torch.rand(1, 1), torch.rand(1, 1))
    bank = MemoryBank(prompted=(entry,), recent=(replace(entry, spatial=None),))
    state = from_bytes(to_bytes(SessionState({5: bank})), CPU)
    assert state.waiting is None
    (read,) = state.banks[5].prompted
    assert read.spatial.stride() == spatial.stride()
    assert torch.equal(read.spatial, spatial)
    assert state.banks[5].recent[0].spatial is None


def test_code_in_the_bytes_is_not_run():
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    buffer = io.BytesIO()
    torch.save({"banks": Evil()}, buffer)
    with pytest.raises(ForeignError):
        from_bytes(buffer.getvalue(), CPU)
