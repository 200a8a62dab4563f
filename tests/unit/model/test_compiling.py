"""Compiled parts give what they gave, say when they compile, and only then."""

from __future__ import annotations

import logging
from collections import Counter

import pytest
import torch
from torch._dynamo.utils import counters

from vos.errors import UsageError
from vos.model.compiling import compile_model
from vos.model.sam2 import Sam2Model
from vos.prompts import Box, Points
from vos.refine.base import NoRefiner
from vos.track.capacity import Capacity
from vos.track.session import Session

BOX = (10.0, 8.0, 50.0, 40.0)
# As tests/unit/track/test_together.py: rounding of logits of +-20.
TOLERANCE = 2e-3


@pytest.fixture
def net(tiny_model):
    return tiny_model.net


def _track(model, frames, prompts=None, **options):
    session = Session(model, prompts or [Box(1, BOX)], **options)
    return [session.decode(frame) for frame in frames]


def _agree(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        assert list(one) == list(other)
        for i, answer in one.items():
            assert (answer.logits - other[i].logits).abs().max() < TOLERANCE


def _announced(caplog) -> Counter[str]:
    said = [record.getMessage() for record in caplog.records if record.name == "vos"]
    return Counter(line.partition(" for ")[0].removeprefix("vos: compiling ") for line in said)


@pytest.mark.slow
def test_compiled_tracking_equals_eager_tracking(net, make_frames, caplog, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    frames = make_frames(60)
    eager = _track(Sam2Model(net, exact=False), frames)
    model = compile_model(Sam2Model(net, exact=False))
    session = Session(model, [Box(1, BOX)])
    ours = [session.decode(frame) for frame in frames[:18]]
    once = {"the image encoder": 1, "the mask decoder": 1, "the memory encoder": 1, "tracking": 1}
    assert _announced(caplog) == once
    compiled = counters["stats"]["unique_graphs"]
    ours += [session.decode(frame) for frame in frames[18:]]
    assert counters["stats"]["unique_graphs"] == compiled
    assert _announced(caplog) == once
    _agree(ours, eager)
    assert any(tmp_path.iterdir())


@pytest.fixture
def pretended(monkeypatch):
    """Names of what is compiled, uncompiled."""
    compiled: list[str] = []

    def pretend(function, **_options):
        compiled.append(type(function.__self__).__name__)
        return function

    monkeypatch.setattr(torch, "compile", pretend)
    return compiled


def test_parts_compile_for_new_shapes_only_and_prompted_frames_stay_eager(
    net, make_frames, caplog, pretended
):
    model = compile_model(Sam2Model(net, exact=False))
    parts = ["ImageEncoder", "MemoryEncoder", "TwoWayTransformer"]
    assert pretended == [*parts, "StaticStep", "StaticMemoryAttention"]
    with caplog.at_level(logging.WARNING, logger="vos"):
        session = Session(model, [Box(1, BOX), Box(2, (0.0, 0.0, 20.0, 20.0))])
        session.decode(make_frames(1)[0])
        assert "the mask decoder" not in _announced(caplog)
        _track(model, make_frames(4))
    assert _announced(caplog)["the image encoder"] == 1


def test_steady_objects_take_one_step_and_others_the_parts(
    net, tiny_model, make_frames, caplog, pretended
):
    model = compile_model(Sam2Model(net, exact=False))
    prompts = [
        Box(1, BOX),
        Box(2, BOX),
        Box(3, BOX, frame_idx=3),
        Points(1, ((12.0, 12.0),), (0,), frame_idx=22),
    ]
    frames = make_frames(40)
    session = Session(model, prompts)
    ours, steps = [], []
    for frame in frames:
        ours.append(session.decode(frame))
        steps.append(_announced(caplog)["tracking"])
    # Two objects, all three, and 15 frames after its correction the one with two prompted frames.
    assert [steps.index(count) for count in range(1, max(steps) + 1)] == [16, 19, 38]
    assert _announced(caplog)["memory attention"] == 0
    _agree(ours, _track(tiny_model, frames, prompts))


def test_with_a_refiner_or_another_choice_attention_is_what_is_compiled(
    net, tiny_model, make_frames, caplog, pretended
):
    class Brighter(NoRefiner):
        is_identity = False

        def fuse(self, embedding, cache, prompts):
            return embedding * 1.01

    model = compile_model(Sam2Model(net, exact=False))
    frames = make_frames(18)
    _agree(
        _track(model, frames, refiner=Brighter()), _track(tiny_model, frames, refiner=Brighter())
    )
    assert _announced(caplog)["memory attention"] == 1
    assert _announced(caplog)["tracking"] == 0


def test_what_finds_no_memory_runs_uncompiled(net, tiny_model, make_frames, monkeypatch, caplog):
    def full(_function, **_options):
        def run(*_args, **_kwargs):
            raise torch.OutOfMemoryError("no memory")

        return run

    monkeypatch.setattr(torch, "compile", full)
    model = compile_model(Sam2Model(net, exact=False))
    frames, prompts = make_frames(18), [Box(i, BOX) for i in range(1, 9)]
    session = Session(model, prompts, capacity=Capacity(8, look_ahead=2))
    _agree([session.decode(frame) for frame in frames], _track(tiny_model, frames, prompts))
    said = [record.getMessage() for record in caplog.records]
    assert [line for line in said if "as it is" in line] == [
        f"vos: warning: no memory left to compile {name}; runs as it is"
        for name in ("the image encoder", "the memory encoder", "the mask decoder", "tracking")
    ]


def test_without_a_compiler_there_is_a_clear_error(net, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(UsageError, match="install g\\+\\+"):
        compile_model(Sam2Model(net, exact=False))
