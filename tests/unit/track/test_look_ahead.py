"""Images encoded in groups: the same masks up to rounding, the same bits after a resume."""

from __future__ import annotations

import copy
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import vos
from vos.api import Tracker
from vos.errors import InputError
from vos.frame import Frame
from vos.io.read.open import open_source
from vos.model.load import ModelInfo
from vos.model.sam2 import Sam2Model
from vos.refine.base import NoRefiner
from vos.stream import Stream
from vos.track.capacity import Capacity
from vos.track.look_ahead import with_following
from vos.track.policy import Fifo
from vos.track.session import Session

BOX = (10.0, 8.0, 40.0, 36.0)
TOLERANCE = 2e-3  # as tests/unit/track/test_together.py
FRAMES = 14


@pytest.fixture
def tracker(tiny_model):
    model = Sam2Model(copy.deepcopy(tiny_model.net), exact=False)
    info = ModelInfo("tiny", "nano", Path(), "", model.image_size, False)
    return Tracker(model, info, NoRefiner(), torch.float32, Fifo())


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(FRAMES):
        image = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(image).save(tmp_path / f"{index:03d}.png")
    return tmp_path


@pytest.fixture
def ahead(monkeypatch):
    """Switches the images per group of later sessions; gives the batches encoded since."""
    batches: list[int] = []
    real = Sam2Model.encode_image

    def spy(self, image):
        batches.append(len(image))
        return real(self, image)

    def switch(size: int) -> list[int]:
        monkeypatch.setattr(Capacity, "of", lambda _model: Capacity(8, look_ahead=size))
        batches.clear()
        return batches

    monkeypatch.setattr(Sam2Model, "encode_image", spy)
    return switch


def _logits(session: Session, frames, size: int, reverse: bool = False):
    pairs = ((frame, None) for frame in frames)
    followed = with_following(pairs, size, reverse=reverse)
    return [session.decode(frame, later) for frame, _, later in followed]


@pytest.mark.parametrize("reverse", [False, True])
def test_groups_change_rounding_only(tracker, make_frames, ahead, reverse):
    frames = make_frames(FRAMES)[::-1] if reverse else make_frames(FRAMES)
    prompts = [vos.Box(1, BOX, frame_idx=frames[2].frame_idx), vos.Box(2, BOX, frame_idx=6)]
    answers = []
    for size in (1, 4):
        batches = ahead(size)
        session = tracker.session(prompts, reverse=reverse)
        answers.append(_logits(session, frames, size, reverse))
        assert set(batches) == {size}
    # Frames 2 to 13, or 11 to 0: nothing is encoded before the first prompt, then group by group.
    assert len(batches) == (4 if not reverse else 3)
    for one, other in zip(*answers, strict=True):
        assert list(one) == list(other)
        assert all((one[i].logits - other[i].logits).abs().max() < TOLERANCE for i in one)


@pytest.mark.parametrize(
    ("direction", "steps"), [("forward", n) for n in (6, 7, 9, 11)] + [("both", n) for n in (3, 9)]
)
def test_resumed_anywhere_it_gives_the_same_bits(
    tracker, folder, ahead, tmp_path, direction, steps
):
    """steps: frames done before, of the backward pass (10 to 0) too."""
    ahead(4)
    prompts = [vos.Box(1, BOX, frame_idx=5), vos.Box(2, BOX, frame_idx=9)]

    def run(name: str, resume=None, stop=None):
        """Results until `stop` steps are done, and a checkpoint then."""
        found = []
        with (
            open_source(folder) as source,
            Stream(
                tracker,
                source,
                prompts,
                direction=direction,
                end=13,
                spool=tmp_path / name,
                resume=resume,
            ) as stream,
        ):
            for _ in stream.backward():
                if stream.steps == stop:
                    return found, stream.checkpoint()
            for _, r in stream.results():
                found.append((r.frame_idx, r.label_map.tobytes(), r.objects))
                if stream.steps == stop:
                    return found, stream.checkpoint()
        return found, None

    whole, _ = run("a")
    assert [idx for idx, *_ in whole] == list(range(13))
    done, saved = run("b", stop=steps)
    rest, _ = run("b", resume=saved)
    assert done + rest == whole


def test_a_live_stream_waits_for_nothing(tracker, make_frames, ahead):
    batches = ahead(4)
    list(tracker.session([vos.Box(1, BOX)]).run(iter(make_frames(5))))
    assert batches == [1] * 5


def test_no_memory_for_a_group_encodes_one_by_one(tracker, make_frames, ahead, monkeypatch, caplog):
    frames = make_frames(6)
    ahead(1)
    undisturbed = _logits(tracker.session([vos.Box(1, BOX)]), frames, 1)
    counted = Sam2Model.encode_image

    def full(self, image):
        if len(image) > 1:
            raise torch.OutOfMemoryError("no memory")
        return counted(self, image)

    monkeypatch.setattr(Sam2Model, "encode_image", full)
    ahead(4)
    session = tracker.session([vos.Box(1, BOX)])
    answers = _logits(session, frames, 4)
    assert session.capacity == Capacity(8, look_ahead=1)
    assert [r.getMessage().rpartition("; ")[2] for r in caplog.records] == [
        "images are encoded one by one"
    ]
    for one, other in zip(answers, undisturbed, strict=True):
        assert torch.equal(one[1].logits, other[1].logits)


def test_an_error_of_the_source_costs_no_frame_before_it(make_frames):
    def frames():
        yield from ((frame, None) for frame in make_frames(6))
        raise InputError("frame 6 is broken")

    followed = with_following(frames(), 4)
    assert [next(followed)[0].frame_idx for _ in range(6)] == list(range(6))
    with pytest.raises(InputError, match="frame 6"):
        next(followed)


def _empty(frame_idx: int) -> Frame:
    return Frame(np.zeros((1, 1, 3), np.uint8), Fraction(frame_idx), frame_idx, str(frame_idx))


@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 5), st.booleans())
def test_a_frame_comes_with_the_rest_of_its_group_and_nothing_is_read_beyond(
    start, count, size, reverse
):
    indices = list(range(start, start + count))[:: -1 if reverse else 1]
    read: list[int] = []

    def frames():
        for idx in indices:
            read.append(idx)
            yield _empty(idx), str(idx)

    seen = []
    for frame, beside, following in with_following(frames(), size, reverse=reverse):
        seen.append(frame.frame_idx)
        assert beside == str(frame.frame_idx)
        group = [idx for idx in indices if idx // size == frame.frame_idx // size]
        assert [f.frame_idx for f in following] == group[group.index(frame.frame_idx) + 1 :]
        assert read[-1] == group[-1]
    assert seen == indices


def test_a_frame_that_carries_its_features_is_not_encoded_again(tracker, make_frames, ahead):
    batches = ahead(1)
    frames, prompts = make_frames(4), [vos.Box(1, BOX)]
    plain = tracker.session(prompts)
    expected = [plain.decode(frame)[1].logits for frame in frames]
    encoded = [tracker.image(one.image).as_frame(one.frame_idx) for one in frames]
    batches.clear()
    session = tracker.session(prompts)
    for frame, logits in zip(encoded, expected, strict=True):
        assert torch.equal(session.decode(frame)[1].logits, logits)
    assert batches == []
