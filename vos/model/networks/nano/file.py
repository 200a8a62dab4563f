"""The weight file of an embedded model: fp16 safetensors with its sizes in the header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor

from vos.bounded import parse_json
from vos.config import from_mapping
from vos.errors import CheckpointError, ConfigError
from vos.model.files.weights import (
    NANO_STEM,
    TRUNK_WIDTH,
    load_metadata,
)
from vos.model.networks.nano.build import build_nano
from vos.model.networks.nano.config import NanoConfig
from vos.model.networks.nano.efficientnet import STEM_CHANNELS

NANO_CONFIG_KEY = "vos.nano_config"
_LARGEST_NANO = {
    "image_size": 2048,
    "embed_dim": 256,
    "stages": 32,
    "d_model": 1024,
    "mem_dim": 1024,
    "key_dim": 1024,
    "memory_layers": 16,
    "memory_slots": 64,
    "memory_stride": 64,
    "pointer_span": 256,
}


def read_nano_config(path: Path) -> NanoConfig:
    """Read the architecture that a nano weight file was written with."""
    text = load_metadata(path).get(NANO_CONFIG_KEY)
    if text is None:
        raise CheckpointError(
            f"{path}: a small SAM 2 without its sizes ({NANO_CONFIG_KEY}); "
            "write it with `python -m vos.train.nano --export`"
        )
    try:
        config = from_mapping(NanoConfig, parse_json(text))
    except (ValueError, ConfigError) as error:
        raise CheckpointError(f"{path}: {NANO_CONFIG_KEY} is damaged ({error})") from error
    if not 0 <= config.box_zoom <= 8:
        raise CheckpointError(
            f"{path}: {NANO_CONFIG_KEY} is damaged (box_zoom is {config.box_zoom})"
        )
    sizes = {name: size for name, size in asdict(config).items() if isinstance(size, int)}
    for name, size in {**sizes, "stages": max(config.stages)}.items():
        least = 0 if name == "key_dim" else 1
        if not least <= size <= _LARGEST_NANO.get(name, 4096) or min(config.stages) < 1:
            raise CheckpointError(f"{path}: {NANO_CONFIG_KEY} is damaged ({name} is {size})")
    return config


def save_nano(
    path: Path, state: Mapping[str, Tensor], config: NanoConfig, card: Mapping[str, str]
) -> None:
    """Write fp16 safetensors with the sizes and a short provenance (`card`) in the header."""
    halves = {name: t.detach().to("cpu", torch.float16).contiguous() for name, t in state.items()}
    save_file(halves, path, {NANO_CONFIG_KEY: json.dumps(asdict(config)), **card})


def build_nano_for_weights(config: NanoConfig, state: Mapping[str, Tensor], path: Path) -> SAM2Base:
    """Build the network, after a look at the tensors: their sizes decide how much memory it takes.

    Raises CheckpointError.
    """
    if config.trunk == "hiera":
        trunk, width = state.get(TRUNK_WIDTH), config.embed_dim
    else:
        trunk, width = state.get(NANO_STEM), STEM_CHANNELS
    decoder = state["sam_mask_decoder.iou_token.weight"]
    if trunk is None or (trunk.shape[0], decoder.shape[1]) != (width, config.d_model):
        raise CheckpointError(f"{path}: its tensors are of other sizes than {NANO_CONFIG_KEY} says")
    try:
        return build_nano(config)
    # Widths that the heads do not divide, and the like.
    except (AssertionError, ValueError, TypeError, RuntimeError, ArithmeticError) as error:
        raise CheckpointError(f"{path}: {NANO_CONFIG_KEY} fits no network ({error})") from error
