"""A recorded model gives the eager model's bits, whatever happens between two frames."""

from __future__ import annotations

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from small_nano import small_nano
from stand_in import StandIn
from vos.model.compiling import compile_model
from vos.model.gpu.record_model import record_model
from vos.model.prepare import prepare_network
from vos.model.sam2 import Sam2Model
from vos.prompts import Box, Points
from vos.refine.registry import build_refiner, load_refiner_config
from vos.track.session import Session
from vos.track.snapshot import from_bytes, to_bytes

BOX = (10.0, 8.0, 50.0, 40.0)
PROMPTS = [
    Box(1, BOX),
    Box(2, (0.0, 0.0, 20.0, 20.0)),
    Box(3, BOX, frame_idx=3),
    Points(1, ((12.0, 12.0),), (0,), frame_idx=22),
]


class Never(StandIn):
    """A recorder in a thread or on a stream that does not allow it: all runs as it is."""

    def can_record(self) -> bool:
        return False


@pytest.fixture(params=[0, 48], ids=["plain", "propagating"])
def fast(request) -> Sam2Model:
    net = small_nano(key_dim=request.param).net
    return Sam2Model(prepare_network(net, exact=False), exact=False)


@pytest.fixture(params=["none", "pr_mr"])
def refiner(request, fast):
    if request.param == "none":
        return None
    torch.manual_seed(2)
    refiner = build_refiner(load_refiner_config("pr_mr"), fast)
    assert refiner.is_static
    # Its last layers begin at zero, which would hide what goes into them.
    for parameter in refiner.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return refiner.eval().requires_grad_(False)


def _session(model: Sam2Model, refiner, prompts=PROMPTS) -> Session:
    return Session(model, prompts, **({} if refiner is None else {"refiner": refiner}))


def _masks(session: Session, frames) -> list[np.ndarray]:
    return [session.track(frame).label_map for frame in frames]


def _equal(ours, theirs) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_recorded_frames_have_the_bits_of_the_same_code_run_eagerly(fast, refiner, make_frames):
    recorder, frames = StandIn(), make_frames(40)
    theirs = _session(record_model(fast, Never()), refiner)
    ours = _session(record_model(fast, recorder), refiner)
    for frame in frames:
        one, other = ours.decode(frame), theirs.decode(frame)
        assert one.keys() == other.keys()
        for object_id, prediction in one.items():
            assert torch.equal(prediction.logits, other[object_id].logits)
            assert torch.equal(prediction.score_pair, other[object_id].score_pair)
        assert np.array_equal(
            ours.compose(frame, one).wait().label_map, theirs.compose(frame, other).wait().label_map
        )
    assert recorder.replays > 2 * 30  # the image encoder, masks, and most steps


def test_close_to_the_verbs(fast, refiner, make_frames):
    """Images resized on the device and the steady step differ from the verbs by rounding alone."""
    frames = make_frames(30)
    ours = _session(record_model(fast, StandIn()), refiner)
    theirs = _session(fast, refiner)
    differ = [
        np.mean(one != other)
        for one, other in zip(_masks(ours, frames), _masks(theirs, frames), strict=True)
    ]
    assert np.mean(differ) < 0.01


def test_sessions_of_one_model_can_take_turns_and_go_back(fast, refiner, make_frames):
    frames, recorder = make_frames(30), StandIn()
    model = record_model(fast, recorder)
    alone = _masks(_session(record_model(fast, Never()), refiner), frames)
    one, other = _session(model, refiner), _session(model, refiner)
    for frame, expected in zip(frames, alone, strict=True):
        assert np.array_equal(one.track(frame).label_map, expected)
        assert np.array_equal(other.track(frame).label_map, expected)
        if frame.frame_idx == 24:
            early, saved = one.snapshot(), to_bytes(other.snapshot())
    recorder.spoil()
    again = one.resume(early, frames[0].size_hw)
    resumed = other.resume(from_bytes(saved, torch.device("cpu")), frames[0].size_hw)
    assert _equal(_masks(again, frames[25:]), alone[25:])
    assert _equal(_masks(resumed, frames[25:]), alone[25:])


def test_threads_share_recordings(fast, make_frames):
    model = record_model(fast, StandIn())
    frames = make_frames(24)
    backward = [
        replace(frame, image=other.image)
        for frame, other in zip(frames, reversed(frames), strict=True)
    ]
    clips = [frames, backward]
    prompts = [Box(1, BOX), Box(2, (0.0, 0.0, 20.0, 20.0))]
    alone = [_masks(_session(model, None, prompts), clip) for clip in clips]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda clip: _masks(_session(model, None, prompts), clip), clips))
    assert all(_equal(one, other) for one, other in zip(together, alone, strict=True))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("no memory"), "no memory to record the image encoder"),
        (RuntimeError("not permitted\nmore"), "the image encoder cannot be recorded .*permitted"),
    ],
)
def test_what_cannot_be_recorded_runs_as_it_is(fast, make_frames, caplog, error, said):
    class Failing(StandIn):
        def record(self, work, inputs):
            raise error

    frames = make_frames(20)
    theirs = _masks(_session(record_model(fast, Never()), None), frames)
    with caplog.at_level(logging.WARNING, logger="vos"):
        ours = _masks(_session(record_model(fast, Failing()), None), frames)
    assert _equal(ours, theirs)
    lines = [record.getMessage() for record in caplog.records]
    assert len([line for line in lines if "image encoder" in line]) == 1
    assert re.search(said, "\n".join(lines))


def test_recordings_are_said_once(fast, make_frames, caplog):
    model = record_model(fast, StandIn())
    with caplog.at_level(logging.INFO, logger="vos"):
        # Until no memory is left of the frames that ran as they are.
        for count in (34, 18):
            _masks(_session(model, None, [Box(1, BOX)]), make_frames(count))
    said = [record.getMessage().partition(" for ")[0] for record in caplog.records]
    assert sorted(said) == [
        "vos: recorded masks",
        "vos: recorded the image encoder",
        "vos: recorded tracking",
    ]


def test_with_gradients_nothing_is_recorded(fast):
    recorder = StandIn()
    model = record_model(fast, recorder)
    pixels = torch.zeros(1, 30, 40, 3, dtype=torch.uint8)
    model.encode_pixels(pixels)
    assert recorder.recordings == 0
    with torch.inference_mode():
        model.encode_pixels(pixels)
    assert recorder.recordings == 1


def test_compiled_parts_can_be_recorded(fast, make_frames, monkeypatch):
    compiled: list[str] = []

    def pretend(function, **_options):
        compiled.append(type(function.__self__).__name__)
        return function

    monkeypatch.setattr(torch, "compile", pretend)
    model = record_model(compile_model(fast), StandIn())
    frames = make_frames(20)
    ours = _masks(_session(model, None), frames)
    assert _equal(ours, _masks(_session(record_model(fast, Never()), None), frames))
    assert {"StaticStep", type(fast.net.image_encoder).__name__} <= set(compiled)
