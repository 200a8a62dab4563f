"""Which parameters AdamW decays."""

from __future__ import annotations

from typing import Any

from torch import nn


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Decay on the weights of convolutions, linear layers and embeddings; none on biases and
    norms.
    """
    wide = [p for p in module.parameters() if p.ndim >= 2]
    flat = [p for p in module.parameters() if p.ndim < 2]
    return [
        {"params": wide, "weight_decay": weight_decay},
        {"params": flat, "weight_decay": 0.0},
    ]
