"""A nano too small to be of use: random weights that call every object present."""

from __future__ import annotations

import torch

from vos.model.networks.nano.build import build_nano
from vos.model.networks.nano.config import NanoConfig
from vos.model.sam2 import Sam2Model

SIDE = 64
"""Its input, in pixels."""


def small_nano(
    d_model: int = 32, key_dim: int = 0, box_zoom: float = 0.0, memory_stride: int = 1
) -> Sam2Model:
    torch.manual_seed(0)
    config = NanoConfig(
        image_size=SIDE,
        embed_dim=16,
        stages=(1, 1, 3),
        d_model=d_model,
        mem_dim=16,
        memory_layers=1,
        key_dim=key_dim,
        box_zoom=box_zoom,
        memory_stride=memory_stride,
    )
    net = build_nano(config).requires_grad_(False)
    score = net.get_parameter("sam_mask_decoder.pred_obj_score_head.layers.2.bias")
    torch.nn.init.constant_(score, 4.0)
    return Sam2Model(net)


def choosing_nano() -> Sam2Model:
    """Return a small nano that offers alternatives on tracked frames, as SAM 2 does."""
    net = small_nano().net
    net.multimask_output_for_tracking = True
    net.multimask_min_pt_num = 0
    return Sam2Model(net)
