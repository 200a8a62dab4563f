"""Read weight files: official `.pt` or safetensors, never executing what is inside them.

Whatever is wrong with a file - missing, truncated, foreign, of another model - becomes one
CheckpointError line.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from vos.bounded import UnfitError
from vos.errors import CheckpointError
from vos.model.files.families import find_family
from vos.model.registry import ModelEntry, ResolvedModel, find_by_file_name

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "compute_sha256",
    "infer_architecture",
    "load_metadata",
    "load_state_dict",
    "read_weight_file",
    "verify",
]

_ZIP_MAGIC = b"PK\x03\x04"
_PICKLE_MAGIC = b"\x80"
_MAX_SAFETENSORS_HEADER = 8 * 2**20  # 0.1 MB for the largest SAM 2
TRUNK_WIDTH = "image_encoder.trunk.patch_embed.proj.weight"
NANO_STEM = "image_encoder.trunk.stem.weight"
_TRUNK_BLOCK = re.compile(r"image_encoder\.trunk\.blocks\.(\d+)\.")
_SAM2_EMBED_DIM = 256

_PLAIN_NECK = "image_encoder.neck.convs.0.conv_1x1.weight"

_PERCEIVER = "spatial_perceiver."
_REPVIT = "image_encoder.trunk.body.stem.conv1.c.weight"
EDGETAM = "edgetam"

SAM3 = "sam3"
_SAM3_MARKS = ("detector.backbone.vision_backbone.trunk.pos_embed", "tracker.maskmem_tpos_enc")

# (trunk width, trunk blocks) -> size; from the sam2 package's configs/sam2.1/*.yaml.
_SIZES = {(96, 12): "tiny", (96, 16): "small", (112, 24): "base-plus", (144, 48): "large"}
# The trunks of EfficientTAM, which are told by their neck.
EFFICIENTTAM_WIDTHS = {"efficienttam-s": 384, "efficienttam-ti": 192}
_EFFICIENTTAM = {(width, 12): name for name, width in EFFICIENTTAM_WIDTHS.items()}


@dataclass(frozen=True, slots=True)
class WeightFile:
    """What a file of tensors holds.

    state: the tensors by name, on the CPU.
    place: under which name the file has them; None where it has nothing else.
    beside: the other names, such as those of an optimiser.
    metadata: the texts of a safetensors header.
    """

    state: dict[str, Tensor]
    place: str | None
    beside: tuple[str, ...]
    metadata: dict[str, str]


def load_state_dict(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a weight file, on the CPU.

    path: an official `.pt` ({"model": tensors}, or the tensors themselves) or a safetensors file;
        told apart by content, not by name.

    Raises:
        CheckpointError: missing, empty, truncated, of another format, or not a weight file.
    """
    file = read_weight_file(path)
    if file.place not in (None, "model"):
        raise _without_tensors(path)
    return file.state


def read_weight_file(path: Path) -> WeightFile:
    """Read whatever tensors a file has, of any network, and say what else it has.

    Raises: CheckpointError as `load_state_dict`.
    """
    head = _read_head(path)
    if head.startswith((_ZIP_MAGIC, _PICKLE_MAGIC)):
        return _load_torch(path)
    if _is_safetensors(head):
        state, metadata = _load_safetensors(path)
        return WeightFile(state, None, (), metadata)
    raise CheckpointError(f"{path}: {_explain_foreign(head)}")


def _explain_foreign(head: bytes) -> str:
    """Say what a file is that is no weight file, as far as its first bytes tell."""
    if head.startswith(b"version https://"):
        return "a Git LFS pointer, not the weights; get the file itself with `git lfs pull`"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "a web page, not the weights; the download wanted a login or another address"
    return (
        "neither a PyTorch nor a safetensors file; "
        "give SAM 2's weights as a .pt or a .safetensors file"
    )


def load_metadata(path: Path) -> dict[str, str]:
    """Read the text metadata of a safetensors file; empty for any other weight file.

    Raises:
        CheckpointError: as load_state_dict.
    """
    if not _is_safetensors(_read_head(path)):
        return {}
    return _open_safetensors(path, want_tensors=False)[1]


def infer_architecture(state: Mapping[str, Tensor], path: Path | None = None) -> str:
    """Name the architecture from tensor names and shapes.

    path: the file the tensors came from, for the error's sake.

    Returns: "sam2-tiny" ... "sam2.1-large", "efficienttam-s" or "-ti", "edgetam", "sam3", or "nano"
    for a SAM 2 of another embedding width.
    SAM 2.1 differs from SAM 2 by `no_obj_embed_spatial` and `obj_ptr_tpos_proj` (sam2 package,
    configs/sam2.1/*.yaml).

    Raises:
        CheckpointError: not SAM 2 tensors, or a size that is not registered.
    """
    where = "" if path is None else f"{path}: "
    if any(name.startswith(_PERCEIVER) for name in state) and _REPVIT in state:
        return EDGETAM
    if is_sam3(state):
        return SAM3
    stem = state.get(TRUNK_WIDTH, state.get(NANO_STEM))
    embed = state.get("sam_mask_decoder.iou_token.weight")
    if stem is None or stem.ndim != 4 or embed is None or embed.ndim != 2:
        family = find_family(state)
        if family is not None:
            more = "" if path is None else f"; `{info_command(path)}` says more"
            raise CheckpointError(f"{where}{family.title}{more}")
        first = next(iter(state), "none")
        raise CheckpointError(
            f"{where}no SAM 2 image encoder and mask decoder among {len(state)} tensors "
            f"(first: {first!r}); give weights of SAM 2 or SAM 2.1"
        )
    if embed.shape[1] != _SAM2_EMBED_DIM:
        return "nano"
    blocks = {int(match[1]) for match in map(_TRUNK_BLOCK.match, state) if match}
    sizes = _EFFICIENTTAM if _PLAIN_NECK in state else _SIZES
    size = sizes.get((stem.shape[0], len(blocks)))
    if size is None:
        raise CheckpointError(
            f"{where}an image encoder of width {stem.shape[0]} with {len(blocks)} blocks is none "
            f"of {', '.join(sizes.values())}; give official weights of one of these"
        )
    if sizes is _EFFICIENTTAM:
        return size
    marks = ("no_obj_embed_spatial" in state, "obj_ptr_tpos_proj.weight" in state)
    if marks[0] != marks[1]:
        raise CheckpointError(
            f"{where}only one of no_obj_embed_spatial and obj_ptr_tpos_proj is present, SAM 2.1 "
            "has both and SAM 2 neither; the file is incomplete, get it again"
        )
    return f"{'sam2.1' if marks[0] else 'sam2'}-{size}"


def is_sam3(names: Container[str]) -> bool:
    """Tell whether these are names of the tensors of a SAM 3 with its tracker."""
    return all(mark in names for mark in _SAM3_MARKS)


def _read_head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise unreadable(path, error) from error
    if not head:
        raise CheckpointError(f"{path}: the file is empty; get it again")
    return head


def _is_safetensors(head: bytes) -> bool:
    size = int.from_bytes(head[:8], "little")
    return head[8:9] == b"{" and size <= _MAX_SAFETENSORS_HEADER


def _load_torch(path: Path) -> WeightFile:
    from vos.model.files.torch_file import ForeignError, load_torch_file  # checksums need no torch

    try:
        payload = load_torch_file(path, "cpu")
    except ForeignError as error:
        raise CheckpointError(
            f"{path}: holds more than tensors, which is not loaded for safety; "
            "give weights alone, as SAM 2 publishes them, or a safetensors file"
        ) from error
    except OSError as error:
        raise _truncation_error(path) from error
    except UnfitError as error:
        raise _truncation_error(path, str(error)) from error
    if not isinstance(payload, Mapping):
        raise _without_tensors(path)
    place = next((name for name in ("model", *payload) if _is_state(payload.get(name))), None)
    if place is not None:
        beside = tuple(str(name) for name in payload if name != place)
        return WeightFile(dict(payload[place]), place, beside, {})
    if "model" in payload or not _is_state(payload):
        raise _without_tensors(path)
    return WeightFile(dict(payload), None, (), {})


def _is_state(state: object) -> bool:
    from torch import Tensor

    return (
        isinstance(state, Mapping)
        and bool(state)
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items())
    )


def _without_tensors(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path}: a PyTorch file without a table of tensors under 'model'; "
        f"are these weights of SAM 2? `{info_command(path)}` says what it is"
    )


def info_command(path: Path) -> str:
    """Return the command that tells what a file is."""
    return f"vos models info {quote(str(path))}"


def _load_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    state, metadata = _open_safetensors(path, want_tensors=True)
    if not state:
        raise CheckpointError(f"{path}: a safetensors file without tensors; get it again")
    return state, metadata


def _open_safetensors(
    path: Path, *, want_tensors: bool
) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            keys = list(file.keys()) if want_tensors else []
            return {key: file.get_tensor(key) for key in keys}, dict(file.metadata() or {})
    # A header may name types and sizes that torch has none for.
    except (SafetensorError, OSError, ValueError, TypeError, LookupError, RuntimeError) as error:
        raise _truncation_error(path) from error


def _truncation_error(path: Path, why: str = "truncated or damaged") -> CheckpointError:
    size = path.stat().st_size if path.exists() else 0
    named = find_by_file_name(path.name)
    if named is not None and named.size_bytes is not None and named.size_bytes != size:
        return CheckpointError(
            f"{path}: {why} ({size} bytes, {named.name} has {named.size_bytes}); get it again"
        )
    return CheckpointError(
        f"{path}: {why} ({size} bytes); compare it with `vos models list` and get it again"
    )


def compute_sha256(path: Path) -> str:
    """Return the hex SHA-256 of a file.

    The file is read once per process, and again when its size or time changed.

    Raises:
        CheckpointError: the file cannot be read.
    """
    try:
        state = path.stat()
        return _digest(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise unreadable(path, error) from error


@lru_cache(maxsize=8)
def _digest(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(resolved: ResolvedModel) -> str:
    """Return the SHA-256 of the file to load; a registered model's is checked too.

    Raises:
        CheckpointError: as `verify`.
    """
    if resolved.entry is None:
        return compute_sha256(resolved.path)
    return verify(resolved.entry, resolved.path)


def verify(entry: ModelEntry, path: Path) -> str:
    """Check a registered model's file against its published size and SHA-256.

    Returns: the file's SHA-256.

    Raises:
        CheckpointError: another size or checksum, or unreadable.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise unreadable(path, error) from error
    if entry.size_bytes is not None and size != entry.size_bytes:
        raise CheckpointError(
            f"{path}: {size} bytes, {entry.name} has {entry.size_bytes}; {_get_again(entry)}"
        )
    digest = compute_sha256(path)
    if entry.sha256 is not None and digest != entry.sha256:
        raise CheckpointError(
            f"{path}: SHA-256 {digest[:12]}..., {entry.name} has {entry.sha256[:12]}...; "
            f"{_get_again(entry)}"
        )
    return digest


def _get_again(entry: ModelEntry) -> str:
    return f"delete the file and get it again with `vos models pull {entry.name}`"


def unreadable(path: Path, error: OSError) -> CheckpointError:
    """Return the error of a weight file that the system does not let us read."""
    reason = error.strerror or type(error).__name__
    return CheckpointError(f"{path}: cannot be read ({reason}); check the path and permissions")
