"""A nano-shaped model with random weights, small enough for unit tests."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from vos.frame import Frame
from vos.model.build import build_nano
from vos.model.nano import NanoConfig
from vos.model.sam2 import Sam2Model

SIZE_HW = (48, 64)


@pytest.fixture(scope="session")
def tiny_model() -> Sam2Model:
    torch.manual_seed(0)
    config = NanoConfig(
        image_size=64, embed_dim=16, stages=(1, 1, 3), d_model=32, mem_dim=16, memory_layers=1
    )
    net = build_nano(config)
    # Random scores would call everything absent; these tests want masks.
    torch.nn.init.constant_(
        net.get_parameter("sam_mask_decoder.pred_obj_score_head.layers.2.bias"), 4.0
    )
    return Sam2Model(net)


@pytest.fixture
def make_frames():
    def make(count: int, start: int = 0, size_hw: tuple[int, int] = SIZE_HW) -> list[Frame]:
        rng = np.random.default_rng(start)
        return [
            Frame(
                rng.integers(0, 255, (*size_hw, 3), dtype=np.uint8),
                Fraction(index, 30),
                index,
                f"{index:05d}",
            )
            for index in range(start, start + count)
        ]

    return make
