"""Load a model by name or path, ready to run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor, nn

from vos.bounded import parse_json
from vos.config import from_mapping
from vos.errors import CheckpointError, ConfigError, ModelError, Parameter, UsageError
from vos.model import registry
from vos.model.build import build_nano, build_published
from vos.model.compiling import compile_model
from vos.model.edgetam.attention import find_perceiver
from vos.model.edgetam.perceiver import SIDE
from vos.model.efficientnet import STEM_CHANNELS
from vos.model.gpu.record_model import record_model
from vos.model.host_memory import keep_freed_memory
from vos.model.kept_encodings import keep_encodings
from vos.model.nano_config import NanoConfig
from vos.model.sam2 import Sam2Model
from vos.model.sam3 import SIZE_STEP_PX, TRAINED_PX, Sam3Sizes, build_sam3, to_sam2_names
from vos.model.weights import (
    NANO_STEM,
    SAM3,
    TRUNK_WIDTH,
    check_sha256,
    infer_architecture,
    info_command,
    load_metadata,
    load_state_dict,
)

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
    "pointer_span": 256,
}


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
        net: SAM2Base = _build_nano(nano_config(resolved.path), state, resolved.path)
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
    """Make a model to run of a network with its weights.

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


def prepare_network(net: SAM2Base, *, exact: bool, image_size_px: int | None = None) -> SAM2Base:
    """Edit a network in place for inference, and return it: the only place that does.

    Position encodings and rotary tables are kept between frames (the same bits, 120 MB less at 1024
    px). Unless exact, the mask decoder and the memory encoder take channels last, which saves a
    tenth to a third of their time at 1024 px and changes their rounding; the image encoder would
    gain nothing. image_size_px: as in `set_image_size`; None leaves it.
    """
    net.eval()
    if image_size_px is not None:
        set_image_size(net, image_size_px)
    keep_encodings(net)
    if not exact:
        for part in (net.sam_mask_decoder, net.memory_encoder):
            part.to(memory_format=torch.channels_last)
        for block in net.memory_encoder.fuser.layers:
            # In bfloat16 a strided operand makes `linear` repeat its weights per row.
            block.pwconv1.register_forward_pre_hook(_make_contiguous)
    return net


def set_image_size(net: SAM2Base, size_px: int) -> None:
    """Make a network take another input side (a multiple of 32). No weight depends on it."""
    side = size_px // net.backbone_stride
    encoder = net.sam_prompt_encoder
    net.image_size, net.sam_image_embedding_size = size_px, side
    encoder.image_embedding_size = (side, side)
    encoder.input_image_size = (size_px, size_px)
    encoder.mask_input_size = (4 * side, 4 * side)


def _make_contiguous(_module: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
    return (args[0].contiguous(),)


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


def nano_config(path: Path) -> NanoConfig:
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


def _build_nano(config: NanoConfig, state: Mapping[str, Tensor], path: Path) -> SAM2Base:
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


def _build_sam3(state: Mapping[str, Tensor], path: Path) -> SAM2Base:
    try:
        return build_sam3(Sam3Sizes.of(state))
    except (ValueError, LookupError) as error:
        raise CheckpointError(
            f"{path}: a SAM 3 that is incomplete or of other sizes ({error}); "
            f"`{info_command(path)}` says what it is"
        ) from error


def save_nano(
    path: Path, state: Mapping[str, Tensor], config: NanoConfig, card: Mapping[str, str]
) -> None:
    """Write fp16 safetensors with the sizes and a short provenance (`card`) in the header."""
    halves = {name: t.detach().to("cpu", torch.float16).contiguous() for name, t in state.items()}
    save_file(halves, path, {NANO_CONFIG_KEY: json.dumps(asdict(config)), **card})


def pick_device(name: str) -> torch.device:
    """Choose the device.

    "auto" is the first CUDA device, else Apple's GPU, else the CPU.

    Raises: UsageError for a device torch does not know or this machine does not have.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(
            Parameter("device", name), ": no such device; use auto, cpu, cuda, cuda:N or mps"
        ) from None
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            Parameter("device", name), *_explain_missing(device, str(error))
        ) from error
    return device


def _explain_missing(device: torch.device, reason: str) -> tuple[str | Parameter, ...]:
    """Say why torch cannot use a device, and what to do.

    reason: torch's own text, which may be long and tells a user of torch little.
    """
    instead = Parameter("device", "cpu")
    if device.type == "mps":
        return ": no Apple GPU that this torch can use; use ", instead
    brief = re.split(r"\. |[.;:]?\n", reason)[0].rstrip(".")
    if device.type != "cuda":
        return f": {brief}; use ", instead
    count = torch.cuda.device_count()
    if device.index is not None and 0 < count <= device.index:
        here = "cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
        return f": no such device; this machine has {here}; use one of these, or ", instead
    built_for = torch.version.cuda
    if built_for is None and torch.version.hip is None:
        why = f"torch {torch.__version__} is built without CUDA"
        remedy = "install a torch with CUDA (https://pytorch.org/get-started)"
    else:
        needed = f"ROCm {torch.version.hip}" if built_for is None else f"CUDA {built_for}"
        why = brief
        remedy = f"install a driver for {needed}; a container has to be given the GPU (--gpus all)"
    return f": no CUDA device here: {why}; use ", instead, f", or {remedy}"


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """Choose the arithmetic.

    "auto" is bfloat16 on CUDA and float32 elsewhere. float16 destroys SAM 2's tracks.

    Raises: UsageError for anything but auto, float32 and bfloat16.
    """
    choices = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if name not in choices:
        raise UsageError(Parameter("dtype", name), f": not one of auto, {', '.join(choices)}")
    return choices[name]


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
            f"{tuple(wanted[name].shape)}; is it a checkpoint of another size?"
        )
    net.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in state.items()})
