"""Refiners on disk: safetensors, weights in fp16, configuration and base in the header."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from vos.errors import CheckpointError, ConfigError
from vos.model.files.weights import load_state_dict
from vos.model.load import ModelInfo
from vos.model.sam2 import Sam2Model
from vos.refine.base import NoRefiner, Refiner
from vos.refine.registry import (
    RefinerSpec,
    TrainableRefiner,
    build_refiner,
    config_as_data,
    config_from,
)
from vos.refine.resolve import HEADER_KEY, RefinerInfo, header_text, resolve_refiner


def save_refiner(
    path: Path, refiner: TrainableRefiner, base: ModelInfo, card: Mapping[str, str] | None = None
) -> None:
    """Write weights (fp16), configuration and the base's name and SHA-256.

    card: provenance, free text by name, added to the header.
    """
    halves = {
        name: tensor.detach().to("cpu", torch.float16).contiguous()
        for name, tensor in refiner.state_dict().items()
    }
    data = config_as_data(refiner.config)
    header = header_text(data["kind"], data["options"], base.name, base.sha256)
    save_file(halves, path, {**(card or {}), HEADER_KEY: header})


def load_refiner(
    spec: str, model: Sam2Model, base: ModelInfo
) -> tuple[Refiner, RefinerInfo | None]:
    """Load the refiner that `spec` means, on the model's device, in eval mode.

    spec: as `resolve_refiner`. base: the model's. Returns: NoRefiner and None for no refiner.

    Raises: ModelError, CheckpointError: as `resolve_refiner`, and for tensors that do not fit.
    """
    info = resolve_refiner(spec, base.name, base.sha256)
    if info is None:
        return NoRefiner(), None
    return read_refiner(info, model), info


def read_refiner(info: RefinerInfo, model: Sam2Model) -> TrainableRefiner:
    """Build the file's refiner for this base and fill it.

    Raises: CheckpointError for a configuration or tensors that this version cannot use.
    """
    try:
        config = config_from(RefinerSpec(info.kind, dict(info.options)), str(info.path))
    except ConfigError as error:
        raise CheckpointError(f"{error}; the file needs another version of vos") from error
    if not _is_moderate(config_as_data(config)):
        raise CheckpointError(f"{info.path}: its configuration has absurd sizes; get it again")
    state = load_state_dict(info.path)
    refiner = build_refiner(config, model)
    wanted = refiner.state_dict()
    unlike = [n for n in wanted if n not in state or state[n].shape != wanted[n].shape]
    unlike += [n for n in state if n not in wanted]
    if unlike:
        raise CheckpointError(
            f"{info.path}: {len(unlike)} tensors are not those of a {info.kind} for "
            f"{info.base_name}, first {unlike[0]!r}; get the file again"
        )
    refiner.load_state_dict({name: state[name].to(wanted[name].dtype) for name in wanted})
    return refiner


def _is_moderate(options: object) -> bool:
    """Tell whether the sizes in a configuration from a file are such that a network can be built.

    Blocks are in the tens, radii and thresholds in pixels of a frame.
    """
    if isinstance(options, Mapping):
        blocks = options.get("blocks", 1)
        return (not isinstance(blocks, int) or blocks <= 64) and all(
            map(_is_moderate, options.values())
        )
    return not isinstance(options, int | float) or abs(options) <= 10_000
