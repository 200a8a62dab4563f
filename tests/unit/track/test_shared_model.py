"""Nothing that a call does to a model is seen by another call: threads may share a tracker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vos.frame import Frame
from vos.model.compiling import compile_model
from vos.model.sam2 import Sam2Model
from vos.prompts import Box
from vos.refine.base import Refiner
from vos.refine.registry import build_refiner, load_refiner_config
from vos.track.image import ImageSegmenter
from vos.track.session import Session

BOXES = (Box(1, (10.0, 8.0, 50.0, 40.0)), Box(2, (2.0, 2.0, 30.0, 30.0)))
VIDEOS = 3
FRAMES = 4


def exact(model: Sam2Model, _monkeypatch: pytest.MonkeyPatch) -> Sam2Model:
    return model


def fast(model: Sam2Model, _monkeypatch: pytest.MonkeyPatch) -> Sam2Model:
    return Sam2Model(model.net, exact=False)


def compiled(model: Sam2Model, monkeypatch: pytest.MonkeyPatch) -> Sam2Model:
    monkeypatch.setattr(torch, "compile", lambda function, **_options: function)
    return compile_model(Sam2Model(model.net, exact=False))


@pytest.fixture(params=[exact, fast, compiled], ids=lambda make: make.__name__)
def model(request, tiny_model, monkeypatch) -> Sam2Model:
    return request.param(tiny_model, monkeypatch)


@pytest.fixture(params=["none", "pr_mr", "samref"])
def session(request, model) -> Callable[[], Session]:
    """A fresh session on the shared model and the shared refiner."""
    if request.param == "none":
        return lambda: Session(model, BOXES)
    torch.manual_seed(1)
    refiner = build_refiner(load_refiner_config(request.param), model)
    for parameter in refiner.parameters():  # else it starts as the identity
        torch.nn.init.normal_(parameter, std=0.05)
    shared: Refiner = refiner.requires_grad_(False)
    return lambda: Session(model, BOXES, refiner=shared)


@pytest.fixture
def videos(make_frames) -> list[list[Frame]]:
    frames = make_frames(VIDEOS * FRAMES)
    return [
        [Frame(f.image, f.pts, i, f.name) for i, f in enumerate(frames[at : at + FRAMES])]
        for at in range(0, len(frames), FRAMES)
    ]


def track(session: Session, frames: Sequence[Frame]) -> list[torch.Tensor]:
    return [one.logits for frame in frames for one in session.decode(frame).values()]


def assert_same(ours: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor]) -> None:
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_threads_give_what_one_after_the_other_gives(session, videos):
    alone = [track(session(), frames) for frames in videos]
    with ThreadPoolExecutor(VIDEOS) as pool:
        together = list(pool.map(lambda frames: track(session(), frames), videos))
    for ours, theirs in zip(together, alone, strict=True):
        assert_same(ours, theirs)


def test_sessions_that_take_turns_do_not_meet(session, videos):
    alone = [track(session(), frames) for frames in videos]
    sessions = [session() for _ in videos]
    turns: list[list[torch.Tensor]] = [[] for _ in videos]
    for frames in zip(*videos, strict=True):
        for own, at, frame in zip(sessions, turns, frames, strict=True):
            at += track(own, [frame])
    for ours, theirs in zip(turns, alone, strict=True):
        assert_same(ours, theirs)


def test_previews_during_a_run_change_nothing(session, videos):
    """As on the page: single images with prompts, in another thread, on the same model."""
    alone = track(session(), videos[0])
    shared = session()

    def preview() -> None:
        for frame in videos[1][:4]:
            image = ImageSegmenter(shared.model, frame.image, shared.refiner)
            image.decode([BOXES[0]])

    with ThreadPoolExecutor(1) as pool:
        previews = pool.submit(preview)
        assert_same(track(shared, videos[0]), alone)
        previews.result()


def test_a_generator_closed_early_leaves_nothing(session, videos):
    alone = track(session(), videos[0])
    results = session().run(iter(videos[1]))
    next(results)
    results.close()
    assert_same(track(session(), videos[0]), alone)


def test_an_error_in_the_consumer_leaves_nothing(session, videos):
    alone = track(session(), videos[0])

    def consume() -> None:
        for result in session().run(iter(videos[1])):
            raise ZeroDivisionError(result.frame_idx)

    with pytest.raises(ZeroDivisionError):
        consume()
    assert_same(track(session(), videos[0]), alone)


def test_a_call_in_the_middle_of_another_keeps_its_own_state(tiny_model):
    """What another thread may do at any moment, at the worst one: inside the decoder."""
    net = tiny_model.net
    features = tiny_model.encode_image(torch.rand(1, 3, 64, 64))
    others = tiny_model.encode_image(torch.rand(1, 3, 64, 64))
    alone = tiny_model.decode(features.s16, features, None, first=False)
    inner = []

    def transformer(*args: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if not inner:
            inner.append(tiny_model.decode(others.s16, others, None, first=False))
        return net.sam_mask_decoder.transformer(*args)

    parts = replace(tiny_model.parts, decoder_transformer=transformer)
    outer = Sam2Model(net, parts=parts).decode(features.s16, features, None, first=False)
    assert torch.equal(outer.state.embedding, alone.state.embedding)
    assert torch.equal(outer.state.tokens, alone.state.tokens)
    assert not torch.equal(inner[0].state.embedding, alone.state.embedding)


def test_no_call_leaves_anything_on_the_network(model, make_frames):
    """Hooks, methods and values of the modules are those of before."""

    def look() -> list[tuple[object, ...]]:
        return [
            (
                name,
                len(module._forward_hooks),
                len(module._forward_pre_hooks),
                "forward" in vars(module),
                type(module),
            )
            for name, module in model.net.named_modules()
        ]

    before = look()
    track(Session(model, BOXES), make_frames(3))
    assert look() == before


@given(st.lists(st.integers(0, VIDEOS - 1), max_size=VIDEOS * FRAMES), st.randoms())
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_sessions_in_any_order_and_left_anywhere(tiny_model, videos, turns, chance):
    """Whatever turns they take, and whichever of them never ends."""
    shared = fast(tiny_model, pytest.MonkeyPatch())
    alone = [
        [result.label_map.tobytes() for result in Session(shared, BOXES).run(video)]
        for video in videos
    ]
    running = [
        (Session(shared, BOXES), iter(video), iter(alone[i])) for i, video in enumerate(videos)
    ]
    for turn in turns:
        session, frames, expected = running[turn]
        frame = next(frames, None)
        if frame is None:
            continue
        if chance.random() < 0.2:
            ImageSegmenter(shared, frame.image).segment([BOXES[0]])
        assert session.track(frame).label_map.tobytes() == next(expected)
