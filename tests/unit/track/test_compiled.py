"""Compiled parts give what they gave, say when they compile, and only then."""

from __future__ import annotations

import copy
import logging

import pytest
import torch

from vos.errors import UsageError
from vos.model.compiled import compile_parts
from vos.model.sam2 import Sam2Model
from vos.prompts import Box
from vos.track.session import Session


@pytest.fixture
def net(tiny_model):
    return copy.deepcopy(tiny_model.net)


def _track(model, frames):
    session = Session(model, [Box(1, (10.0, 8.0, 50.0, 40.0))])
    return [session.decode(frame)[1].logits for frame in frames]


def _announced(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "vos"]


@pytest.mark.slow
def test_compiled_tracking_equals_eager_tracking(net, make_frames, caplog, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    frames = make_frames(5)
    eager = _track(Sam2Model(copy.deepcopy(net), exact=False), frames)
    model = Sam2Model(net, exact=False)
    compile_parts(net)
    for ours, theirs in zip(_track(model, frames), eager, strict=True):
        assert (ours - theirs).abs().max() < 2e-3
    said = _announced(caplog)
    assert sorted(line.split(" for ")[0] for line in said) == [
        "vos: compiling the image encoder",
        "vos: compiling the mask decoder",
        "vos: compiling the memory encoder",
    ]
    _track(model, frames)
    assert len(_announced(caplog)) == 3
    assert any(tmp_path.iterdir())


def test_parts_compile_for_new_shapes_only_and_prompted_frames_stay_eager(
    net, make_frames, caplog, monkeypatch
):
    compiled: list[str] = []

    def pretend(function, **_options):
        compiled.append(type(function.__self__).__name__)
        return function

    monkeypatch.setattr(torch, "compile", pretend)
    compile_parts(net)
    assert compiled == ["ImageEncoder", "MemoryEncoder", "TwoWayTransformer"]
    model = Sam2Model(net, exact=False)
    with caplog.at_level(logging.WARNING, logger="vos"):
        session = Session(model, [Box(1, (10.0, 8.0, 50.0, 40.0)), Box(2, (0.0, 0.0, 20.0, 20.0))])
        session.decode(make_frames(1)[0])
        after_prompts = [record.getMessage() for record in caplog.records]
        _track(model, make_frames(4))
    assert not any("mask decoder" in line for line in after_prompts)
    assert sum("image encoder" in r.getMessage() for r in caplog.records) == 1


def test_without_a_compiler_there_is_a_clear_error(net, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(UsageError, match="install g\\+\\+"):
        compile_parts(net)
