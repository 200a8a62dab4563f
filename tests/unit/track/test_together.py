"""Objects in batches give what one after the other gives, up to rounding."""

from __future__ import annotations

import pytest
import torch

from vos.model.sam2 import Sam2Model
from vos.model.types import ModelPrompt
from vos.prompts import Box, Points
from vos.refine.base import NoRefiner
from vos.track import compose
from vos.track.capacity import Capacity
from vos.track.engine import Engine, encode_frame
from vos.track.policy import Fifo, StreamPosition
from vos.track.session import Session
from vos.track.step import track_frame

BOX = (10.0, 8.0, 50.0, 40.0)
# fp32 logits of a random network reach +-20; rounding alone moves them by about 1e-5.
TOLERANCE = 2e-3


@pytest.fixture
def fast_model(tiny_model) -> Sam2Model:
    return Sam2Model(tiny_model.net, exact=False)


def _run(model, frames, prompts, **options):
    session = Session(model, prompts, **options)
    return [session.decode(frame) for frame in frames], session


def _compare(fast, slow):
    for ours, theirs in zip(fast, slow, strict=True):
        assert list(ours) == list(theirs)
        for object_id, answer in ours.items():
            difference = (answer.logits - theirs[object_id].logits).abs().max()
            assert difference < TOLERANCE
            assert answer.scores.iou_pred == pytest.approx(
                theirs[object_id].scores.iou_pred, abs=1e-4
            )


def test_objects_from_different_frames_corrections_and_all(tiny_model, fast_model, make_frames):
    prompts = [
        Box(1, BOX),
        Points(2, ((20.0, 20.0),), (1,)),
        Box(3, BOX, frame_idx=3),
        Points(1, ((12.0, 12.0),), (0,), frame_idx=5),
    ]
    frames = make_frames(20)
    fast, fast_session = _run(fast_model, frames, prompts)
    slow, slow_session = _run(tiny_model, frames, prompts)
    _compare(fast, slow)
    assert fast_session.state_bytes() == slow_session.state_bytes()


def test_objects_go_through_the_model_together_once_their_memories_are_alike(
    fast_model, make_frames, monkeypatch
):
    sizes: list[int] = []
    real = Sam2Model.condition

    def spy(self, features, recalls, **options):
        if recalls:
            sizes.append(len(recalls))
        return real(self, features, recalls, **options)

    monkeypatch.setattr(Sam2Model, "condition", spy)
    prompts = [Box(1, BOX), Box(2, BOX), Box(3, BOX), Box(4, BOX, frame_idx=2)]
    frames = make_frames(20)
    _run(fast_model, frames[:2], prompts[:3])
    assert sizes == [3]
    sizes.clear()
    _run(fast_model, frames, prompts)
    assert sizes[-1] == 4  # the late one has caught up
    assert sizes[1:4] == [3, 3, 1]


def test_one_object_alone_and_batches_of_two_agree(fast_model, make_frames, monkeypatch):
    prompts = [Box(i, BOX) for i in range(1, 6)]
    frames = make_frames(6)
    whole, _ = _run(fast_model, frames, prompts)
    pairs, _ = _run(fast_model, frames, prompts, capacity=Capacity(2))
    _compare(pairs, whole)


def test_refiners_see_one_object_at_a_time(tiny_model, fast_model, make_frames):
    class Shift(NoRefiner):
        """Depends on the object's own prompt, so mixing objects up would show."""

        is_identity = False

        def fuse(self, embedding, cache, prompts):
            assert len(embedding) == 1
            return embedding * (1 + prompts.first.points_xy.mean() / 100)

    frames = make_frames(8)
    prompts = [Box(1, BOX), Box(2, (0.0, 0.0, 12.0, 12.0))]
    fast, _ = _run(fast_model, frames, prompts, refiner=Shift())
    slow, _ = _run(tiny_model, frames, prompts, refiner=Shift())
    _compare(fast, slow)


def test_out_of_memory_shrinks_in_announced_steps_and_finishes(
    fast_model, make_frames, monkeypatch, caplog
):
    frames, prompts = make_frames(6), [Box(i, BOX) for i in range(1, 5)]
    undisturbed, _ = _run(fast_model, frames, prompts)
    real = Sam2Model.condition
    failures = iter((False, True, True, True, *[False] * 99))

    def sometimes(self, features, recalls, **options):
        if next(failures):
            raise torch.OutOfMemoryError("no memory")
        return real(self, features, recalls, **options)

    monkeypatch.setattr(Sam2Model, "condition", sometimes)
    capacity = Capacity(8)
    answers, session = _run(fast_model, frames, prompts, capacity=capacity)
    _compare(answers, undisturbed)
    assert capacity == Capacity(1, banks_on_cpu=True)
    assert [r.getMessage().rpartition("; ")[2] for r in caplog.records] == [
        "objects per batch: 2",
        "objects per batch: 1",
        "memory banks move to host memory",
    ]
    assert len(session.banks) == 4


def test_out_of_memory_with_nothing_left_to_give_up_is_raised(fast_model, make_frames, monkeypatch):
    def never(self, features, recalls, **options):
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(Sam2Model, "condition", never)
    with pytest.raises(torch.OutOfMemoryError):
        _run(fast_model, make_frames(2), [Box(1, BOX)])


def test_no_memory_for_masks_of_the_videos_size_makes_them_on_the_cpu(
    fast_model, make_frames, monkeypatch, caplog
):
    frames, prompts = make_frames(3), [Box(1, BOX), Box(2, (0.0, 0.0, 12.0, 12.0))]
    undisturbed = list(Session(fast_model, prompts).run(frames))
    real, failures = compose.resize_to_video, iter((False, False, True, *[False] * 99))

    def sometimes(logits, size_hw):
        if next(failures):
            raise torch.OutOfMemoryError("no memory")
        return real(logits, size_hw)

    monkeypatch.setattr(compose, "resize_to_video", sometimes)
    masks = [result.label_map for result in Session(fast_model, prompts).run(frames)]
    assert all((a == b.label_map).all() for a, b in zip(masks, undisturbed, strict=True))
    assert [r.getMessage() for r in caplog.records] == [
        "vos: warning: frame 1: GPU memory is full; its masks are made on the CPU"
    ]


@torch.inference_mode()
def test_a_batch_of_videos_gives_what_each_gives_alone(fast_model):
    size, engine = fast_model.image_size, Engine(fast_model, NoRefiner(), Fifo())
    videos = torch.randn(2, 4, 3, size, size, generator=torch.Generator().manual_seed(0))
    corners = torch.tensor([[[10.0, 8.0], [50.0, 40.0]]])
    labels = torch.tensor([[2, 3]], dtype=torch.int32)

    def logits(rows: slice) -> torch.Tensor:
        clips, banks, found = videos[rows], {}, []
        count = len(clips)
        box = ModelPrompt(corners.expand(count, -1, -1), labels.expand(count, -1))
        for t in range(clips.shape[1]):
            prompts = {1: box} if t == 0 else {}
            frame = encode_frame(engine, clips[:, t], StreamPosition(t))
            decoded, banks = track_frame(engine, frame, banks, prompts)
            found.append(decoded[1].output_logits)
        return torch.stack(found, dim=1)

    alone = torch.cat([logits(slice(0, 1)), logits(slice(1, 2))])
    assert (logits(slice(0, 2)) - alone).abs().max() < TOLERANCE
