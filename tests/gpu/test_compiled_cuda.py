"""Compiled tracking with CUDA graphs gives the CPU's masks, and records nothing twice."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from torch._dynamo.utils import counters

from vos.model.compiling import compile_model
from vos.model.sam2 import Sam2Model
from vos.prompts import Box
from vos.track.session import Session

pytestmark = pytest.mark.needs_cuda


@pytest.mark.slow
def test_graphs_agree_with_the_cpu_and_are_recorded_once(
    tiny_model,
    make_frames,
    tmp_path,
    monkeypatch,
):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    frames = make_frames(60)
    prompts = [Box(1, (10.0, 8.0, 40.0, 36.0)), Box(2, (5.0, 5.0, 30.0, 30.0))]
    model = Sam2Model(copy.deepcopy(tiny_model.net).cuda(), exact=False)
    compile_model(model)
    session = Session(model, prompts)
    gpu = [session.track(frame) for frame in frames[:20]]
    compiled = counters["stats"]["unique_graphs"]
    gpu += [session.track(frame) for frame in frames[20:]]
    assert counters["stats"]["unique_graphs"] == compiled
    assert counters["inductor"]["cudagraph_skips"] == 0
    cpu = Session(tiny_model, prompts).run(frames)
    same = [np.mean(a.label_map == b.label_map) for a, b in zip(cpu, gpu, strict=True)]
    assert np.mean(same) > 0.999
