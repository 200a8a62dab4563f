"""The session on a CUDA device gives the CPU's masks."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from vos.model.sam2 import Sam2Model
from vos.prompts import Box
from vos.track.look_ahead import with_following
from vos.track.session import Session

pytestmark = pytest.mark.needs_cuda


@pytest.mark.parametrize(("dtype", "agreement"), [(torch.float32, 0.999), (torch.bfloat16, 0.97)])
def test_cuda_agrees_with_cpu(tiny_model, make_frames, dtype, agreement):
    frames = make_frames(20)
    prompts = [Box(1, (10.0, 8.0, 40.0, 36.0)), Box(2, (5.0, 5.0, 30.0, 30.0), frame_idx=3)]
    on_gpu = Sam2Model(copy.deepcopy(tiny_model.net).cuda())
    cpu = list(Session(tiny_model, prompts).run(frames))
    gpu = list(Session(on_gpu, prompts, dtype=dtype).run(frames))
    same = [np.mean(a.label_map == b.label_map) for a, b in zip(cpu, gpu, strict=True)]
    assert np.mean(same) > agreement


def test_images_in_groups_agree_with_one_by_one(tiny_model, make_frames):
    model = Sam2Model(copy.deepcopy(tiny_model.net).cuda(), exact=False)
    frames, prompts = make_frames(10), [Box(1, (10.0, 8.0, 40.0, 36.0), frame_idx=1)]
    alone, groups = Session(model, prompts), Session(model, prompts)
    assert groups.look_ahead == 4
    for frame, _, following in with_following(((f, None) for f in frames), groups.look_ahead):
        one, other = alone.decode(frame), groups.decode(frame, following)
        assert all((one[i].logits - other[i].logits).abs().max() < 2e-2 for i in one)
