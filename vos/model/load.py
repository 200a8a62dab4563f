"""Load a model by name or path, ready to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor

from vos.errors import CheckpointError, ModelError, Parameter, UsageError
from vos.model import registry
from vos.model.compiling import compile_model
from vos.model.files.weights import (
    SAM3,
    check_sha256,
    infer_architecture,
    info_command,
    load_state_dict,
)
from vos.model.gpu.record_model import record_model
from vos.model.host_memory import keep_freed_memory
from vos.model.networks.edgetam.attention import find_perceiver
from vos.model.networks.edgetam.perceiver import SIDE
from vos.model.networks.nano.file import build_nano_for_weights, read_nano_config
from vos.model.networks.published import build_published
from vos.model.networks.sam3 import SIZE_STEP_PX, TRAINED_PX, Sam3Sizes, build_sam3, to_sam2_names
from vos.model.prepare import prepare_network
from vos.model.sam2 import Sam2Model


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a manifest records of a model.

    name: as registered, or the file's.
    architecture: as `infer_architecture` names it.
    path: its weight file.
    sha256: of that file.
    image_size_px: side of the network's input.
    is_automatic: whether "auto" chose it and nobody named it.
    """

    name: str
    architecture: str
    path: Path
    sha256: str
    image_size_px: int
    is_automatic: bool


def load_model(
    spec: str = registry.AUTO,
    *,
    device: torch.device,
    image_size_px: int | None = None,
    exact: bool = True,
    compiled: bool = False,
    pool_memory: int = 1,
) -> tuple[Sam2Model, ModelInfo]:
    """Load weights by registered name, "auto", or path; the architecture is read off the tensors.

    Options as `make_ready`'s, but that the input side is by default the one the file was trained
    at: as published, as its name says (`ResolvedModel.named_px`), or as its header does.

    Raises: ModelError for an unknown or absent model; CheckpointError for a wrong file; UsageError
    as `make_ready`.
    """
    _check_options(image_size_px, exact=exact, compiled=compiled, pool_memory=pool_memory)
    resolved = registry.resolve(spec)
    if resolved.name == registry.NULL.name:
        raise ModelError(
            f"{spec}: is no network but a stand-in for one, with which `vos track` and `vos batch` "
            "measure all that surrounds it; name a model of `vos models list`"
        )
    sha256 = check_sha256(resolved)
    state = load_state_dict(resolved.path)
    architecture = infer_architecture(state, resolved.path)
    expected = resolved.entry.architecture if resolved.entry is not None else architecture
    if architecture != expected:
        raise CheckpointError(
            f"{resolved.path}: holds {architecture}, {resolved.name} needs {expected}; "
            f"get it again with `vos models pull {resolved.name}`"
        )
    if architecture == registry.EMBEDDED:
        config = read_nano_config(resolved.path)
        net: SAM2Base = build_nano_for_weights(config, state, resolved.path)
    elif architecture == SAM3:
        net, state = _build_sam3(state, resolved.path), to_sam2_names(state)
    else:
        net = build_published(architecture)
        published = resolved.entry or registry.find_published(sha256)
        trained_px = resolved.named_px if published is None else published.trained_px
        image_size_px = trained_px if image_size_px is None else image_size_px
    _fill(net, state, resolved.path)
    model = make_ready(
        net,
        device=device,
        image_size_px=image_size_px,
        exact=exact,
        compiled=compiled,
        pool_memory=pool_memory,
    )
    info = ModelInfo(
        name=resolved.name,
        architecture=architecture,
        path=resolved.path,
        sha256=sha256,
        image_size_px=model.image_size,
        is_automatic=resolved.is_automatic,
    )
    return model, info


def make_ready(
    net: SAM2Base,
    *,
    device: torch.device,
    image_size_px: int | None = None,
    exact: bool = True,
    compiled: bool = False,
    pool_memory: int = 1,
) -> Sam2Model:
    """Make a model of a network that has its weights.

    image_size_px: input side; None is the model's own (1024 for SAM 2, as trained for nano). exact,
    pool_memory: see `Sam2Model`. compiled: see `compile_model`.

    Raises: UsageError for options that do not fit the network or each other.
    """
    _check_options(image_size_px, exact=exact, compiled=compiled, pool_memory=pool_memory)
    if device.type == "cpu":
        keep_freed_memory()
    has_tokens = find_perceiver(net) is not None
    if has_tokens:
        _check_token_options(image_size_px, compiled=compiled, pool_memory=pool_memory)
    if image_size_px is not None and image_size_px % net.backbone_stride:
        raise UsageError(
            f"input side {image_size_px}: SAM 3 takes multiples of {SIZE_STEP_PX}, such as "
            f"{3 * SIZE_STEP_PX}, and was trained at {TRAINED_PX}; leave ",
            Parameter("size"),
            " out",
        )
    net = prepare_network(net.to(device), exact=exact, image_size_px=image_size_px)
    model = Sam2Model(net, exact=exact, pool_memory=pool_memory)
    if pool_memory < 1 or model.embedding_size % pool_memory:
        raise UsageError(
            Parameter("pool_memory", pool_memory),
            f": must divide the memory's side of {model.embedding_size}, such as 2",
        )
    model = compile_model(model) if compiled else model
    # ROCm's graphs are untried.
    is_cuda = device.type == "cuda" and torch.version.hip is None
    return record_model(model) if is_cuda and not exact and not has_tokens else model


def _check_token_options(image_size_px: int | None, *, compiled: bool, pool_memory: int) -> None:
    """Refuse what a model whose memories are tokens cannot do."""
    least = SIDE * 16
    if image_size_px is not None and image_size_px % least:
        raise UsageError(
            f"input side {image_size_px}: EdgeTAM takes multiples of {least}, and was trained at "
            "1024"
        )
    if pool_memory != 1:
        raise UsageError(
            Parameter("pool_memory", pool_memory), ": EdgeTAM's memories are tokens; leave it out"
        )
    if compiled:
        raise UsageError(Parameter("compile"), ": not for EdgeTAM yet; leave it out")


def _check_options(
    image_size_px: int | None, *, exact: bool, compiled: bool, pool_memory: int
) -> None:
    """Refuse what can be refused before any weight is read."""
    if image_size_px is not None and (image_size_px < 32 or image_size_px % 32):
        raise UsageError(f"input side {image_size_px}: give a multiple of 32, such as 512")
    if exact and pool_memory != 1:
        raise UsageError(
            Parameter("pool_memory", pool_memory),
            ": never with ",
            Parameter("exact"),
            "; leave out one of them",
        )
    if exact and compiled:
        raise UsageError(
            Parameter("compile"),
            " and ",
            Parameter("exact"),
            " contradict each other; leave out one of them",
        )


def _build_sam3(state: Mapping[str, Tensor], path: Path) -> SAM2Base:
    try:
        return build_sam3(Sam3Sizes.of(state))
    except (ValueError, LookupError) as error:
        raise CheckpointError(
            f"{path}: a SAM 3 that is incomplete or of other sizes ({error}); "
            f"`{info_command(path)}` says what it is"
        ) from error


def _fill(net: SAM2Base, state: Mapping[str, Tensor], path: Path) -> None:
    wanted = net.state_dict()
    missing = [name for name in wanted if name not in state]
    extra = [name for name in state if name not in wanted]
    if missing or extra:
        parts = []
        if missing:
            parts.append(f"missing {len(missing)} tensors, first {missing[0]!r}")
        if extra:
            parts.append(f"{len(extra)} unknown, first {extra[0]!r}")
        raise CheckpointError(
            f"{path}: {'; '.join(parts)}. Is this a SAM 2 or SAM 2.1 file? "
            f"`{info_command(path)}` says what it is"
        )
    wrong = [name for name in wanted if wanted[name].shape != state[name].shape]
    if wrong:
        name = wrong[0]
        raise CheckpointError(
            f"{path}: {name} has shape {tuple(state[name].shape)}, this model needs "
            f"{tuple(wanted[name].shape)}; are these weights of another size?"
        )
    net.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in state.items()})
