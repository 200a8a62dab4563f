"""Small pieces of refiners."""

from __future__ import annotations

import contextlib

import pytest
import torch
from sam2.modeling.sam2_utils import LayerNorm2d

from vos.refine.layers import ChannelNorm


@pytest.mark.parametrize("learns", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_channels_are_normalised_as_sam2_does_it(learns, dtype, layout):
    torch.manual_seed(0)
    ours, theirs = ChannelNorm(8), LayerNorm2d(8)
    torch.nn.init.normal_(ours.weight)
    torch.nn.init.normal_(ours.bias)
    theirs.load_state_dict(ours.state_dict())
    x = (5 + torch.randn(2, 8, 6, 7)).to(dtype).contiguous(memory_format=layout)
    before = x.clone()
    with contextlib.nullcontext() if learns else torch.inference_mode():
        low = torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16)
        with low:
            got, wanted = ours(x), theirs(x.float())
    assert torch.equal(x, before)
    assert (got - wanted).abs().max() < (1e-5 if dtype == torch.float32 else 0.05)
    assert got.requires_grad == learns
