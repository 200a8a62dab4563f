"""Tell what a weight file is, or what it nearly is, without running it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vos.errors import CheckpointError, ModelError
from vos.model import registry
from vos.model.files.families import (
    SAM3_LICENCE,
    SAM3_NOTES,
    SAM3_SOURCE,
    Family,
    find_family,
)
from vos.model.files.weights import (
    SAM3,
    WeightFile,
    compute_sha256,
    infer_architecture,
    is_sam3,
    read_weight_file,
)

if TYPE_CHECKING:
    from torch import Size, Tensor

REFINER_KEY = "vos.refiner"
"""`vos.refine.resolve.HEADER_KEY`."""
_WRAPPERS = ("module.", "_orig_mod.", "model.")
_SOURCE_SAYS = "that of where the file comes from"
_MED = "medsam2"
_FORK = "run it with the program it comes from, or give the file that it was made of"


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What a file is.

    path: the file.
    what: one line for people.
    is_usable: whether `--model` takes it.
    architecture: as `infer_architecture` names it; None where it is none of these.
    published: the registered model whose published file this is, to the last bit.
    parameters, tensors: how many.
    dtypes: of the tensors, the most frequent first.
    input_px: side of the network's input.
    licence: of the weights, None if unknown.
    source: where they are published, None if unknown.
    size_bytes, sha256: of the file.
    notes: what else is to be known, and what to do.
    """

    path: Path
    what: str
    is_usable: bool
    architecture: str | None
    published: str | None
    parameters: int
    tensors: int
    dtypes: tuple[str, ...]
    input_px: int | None
    licence: str | None
    source: str | None
    size_bytes: int
    sha256: str
    notes: tuple[str, ...]


def identify(resolved: registry.ResolvedModel) -> FileInfo:
    """Tell what a file is.

    Raises: CheckpointError for a file that cannot be read, or that holds no tensors.
    """
    path = resolved.path
    file = read_weight_file(path)
    state, wrapper = _unwrap(file.state)
    file = replace(file, state=state)
    dtypes = Counter(str(tensor.dtype).removeprefix("torch.") for tensor in state.values())
    info = FileInfo(
        path=path,
        what="",
        is_usable=False,
        architecture=None,
        published=None,
        parameters=sum(tensor.numel() for tensor in state.values()),
        tensors=len(state),
        dtypes=tuple(name for name, _ in dtypes.most_common()),
        input_px=None,
        licence=None,
        source=None,
        size_bytes=path.stat().st_size,
        sha256=compute_sha256(path),
        notes=_describe_container(file),
    )
    if REFINER_KEY in file.metadata:
        return _as_refiner(info)
    if file.place == "refiner":
        note = "`vos train refiner` continues it, and writes refiner.safetensors beside it"
        return replace(info, what="a checkpoint of `vos train refiner`", notes=(*info.notes, note))
    family = find_family(state)
    if is_sam3(state):
        return _as_sam3(info, state)
    if family is not None:
        return _as_family(info, family)
    info = _as_model(info, file, resolved)
    if info.architecture is not None and (wrapper or file.place not in (None, "model")):
        where = f"with {wrapper!r} before every name" if wrapper else f"under {file.place!r}"
        return replace(
            info,
            is_usable=False,
            what=f"a training checkpoint: {info.what}",
            notes=(*info.notes, f"its tensors are {where}; save them under 'model' as they are"),
        )
    return info


def _unwrap(state: Mapping[str, object]) -> tuple[dict, str]:
    """Return the tensors without what a training program put before all of their names, and
    this.
    """
    for wrapper in _WRAPPERS:
        if all(name.startswith(wrapper) for name in state):
            return {name.removeprefix(wrapper): tensor for name, tensor in state.items()}, wrapper
    return dict(state), ""


def _describe_container(file: WeightFile) -> tuple[str, ...]:
    if not file.beside:
        return ()
    names = ", ".join(sorted(file.beside)[:6])
    return (f"a training checkpoint: beside the weights it holds {names}",)


def _as_refiner(info: FileInfo) -> FileInfo:
    notes = (*info.notes, "give it with --refiner, and with the model it was trained for")
    return replace(info, what="a refiner of vos, not a model", notes=notes)


def _as_family(info: FileInfo, family: Family) -> FileInfo:
    return replace(
        info,
        what=family.title,
        licence=family.licence,
        source=family.source,
        input_px=family.input_px,
        notes=(*info.notes, *family.notes),
    )


def _as_sam3(info: FileInfo, state: Mapping[str, Tensor]) -> FileInfo:
    from vos.model.networks.sam3 import PUBLISHED_SHA256, Sam3Sizes, sam3_shapes, to_sam2_names

    info = replace(
        info,
        architecture=SAM3,
        licence=SAM3_LICENCE,
        source=SAM3_SOURCE,
        input_px=1008,
        notes=(*info.notes, *SAM3_NOTES),
    )
    try:
        wanted = sam3_shapes(Sam3Sizes.of(state))
    except (ValueError, LookupError) as error:
        return replace(info, what=f"SAM 3 of other sizes, or incomplete: {error}")
    differences = _differ(SAM3, wanted, to_sam2_names(state))
    if differences:
        what = "nearly SAM 3: a fork's, an incomplete or another version's file"
        return replace(info, what=what, notes=(*info.notes, *differences, _FORK))
    if info.sha256 == PUBLISHED_SHA256:
        return replace(info, what="sam3, the published file", published=SAM3, is_usable=True)
    what = "SAM 3's tracker with other weights than the published"
    return replace(info, what=what, is_usable=True)


def _as_model(info: FileInfo, file: WeightFile, resolved: registry.ResolvedModel) -> FileInfo:
    """Complete the info of a file by what `infer_architecture` makes of it."""
    try:
        architecture = infer_architecture(file.state)
    except CheckpointError as error:
        return _as_unknown(info, error)
    try:
        differences = _compare(architecture, file, info.path)
    except CheckpointError as error:
        return _as_unknown(info, error)
    except ModelError as error:  # a package that is missing here
        notes = (*info.notes, str(error))
        what = f"{architecture}, as far as can be told here"
        return replace(info, what=what, architecture=architecture, notes=notes)
    info = replace(info, architecture=architecture, is_usable=not differences)
    published = registry.find_published(info.sha256)
    if published is not None:
        return replace(
            info,
            what=f"{published.name}, the published file",
            published=published.name,
            input_px=published.trained_px,
            licence=published.licence,
            source=published.repository,
        )
    if differences:
        return replace(
            info,
            what=f"nearly {architecture}: a fork's, an incomplete or another version's file",
            notes=(*info.notes, *differences, _FORK),
        )
    if architecture == registry.EMBEDDED:
        return _as_nano(info, resolved)
    return _as_fine_tuned(info, architecture, resolved)


def _as_unknown(info: FileInfo, error: CheckpointError) -> FileInfo:
    why = str(error).removeprefix(f"{info.path}: ")
    return replace(info, what=f"not a model that vos knows: {why}")


def _as_nano(info: FileInfo, resolved: registry.ResolvedModel) -> FileInfo:
    from vos.model.networks.nano.file import read_nano_config

    info = replace(info, input_px=read_nano_config(info.path).image_size)
    entry = resolved.entry
    if entry is None:
        return replace(info, what="a nano, trained with vos", licence=_SOURCE_SAYS)
    what = f"{entry.name}, the embedded model"
    return replace(info, what=what, published=entry.name, licence=entry.licence)


def _as_fine_tuned(info: FileInfo, architecture: str, resolved: registry.ResolvedModel) -> FileInfo:
    """Complete the info of a file with all the tensors of an architecture, and other values."""
    entry = registry.get(architecture)
    side = resolved.named_px or entry.trained_px
    if _MED in info.path.name.lower():
        title = "MedSAM2" if architecture.startswith("sam2.1") else "MedSAM2's EfficientTAM"
        return replace(
            info,
            what=f"{title}: {architecture} at {side} px, for medical images",
            input_px=side,
            source="wanglab/MedSAM2",
            notes=(*info.notes, "known by the file's name; its licence: read its card"),
        )
    notes = [f"not {entry.name}'s published file: fine-tuned, or saved anew"]
    if architecture.startswith("efficienttam"):
        notes.append(
            "files for 512 and 1024 px have the same tensors: --size decides, by default the "
            "file's name; with pooled memory (_1): --pool-memory 2"
        )
    elif architecture == "sam2.1-tiny":
        notes.append("MedSAM2 and others are fine-tuned at 512 px: --size 512 then")
    return replace(
        info,
        what=f"{architecture} with other weights than the published",
        input_px=side,
        licence=_SOURCE_SAYS,
        notes=(*info.notes, *notes),
    )


def _compare(architecture: str, file: WeightFile, path: Path) -> list[str]:
    """Say how the tensors differ from those of an architecture; nothing for equal names and shapes.

    Raises: CheckpointError for a nano whose header is damaged; ModelError where a package is
    missing.
    """
    return _differ(architecture, _wanted_shapes(architecture, path), file.state)


def _differ(
    architecture: str, wanted: Mapping[str, Size], state: Mapping[str, Tensor]
) -> list[str]:
    """Say how tensors differ from those that an architecture wants."""
    missing = [name for name in wanted if name not in state]
    extra = [name for name in state if name not in wanted]
    other = [n for n in wanted if n in state and state[n].shape != wanted[n]]
    lines = []
    if extra:
        lines.append(f"{len(extra)} tensors more: {_group(extra)}")
    if missing:
        lines.append(f"{len(missing)} tensors missing: {_group(missing)}")
    if other:
        name = other[0]
        lines.append(
            f"{len(other)} tensors of another shape: {name} is {tuple(state[name].shape)}, "
            f"{architecture} has {tuple(wanted[name])}"
        )
    return lines


def _wanted_shapes(architecture: str, path: Path) -> Mapping[str, Size]:
    from vos.model.networks.nano.build import build_nano
    from vos.model.networks.nano.file import read_nano_config
    from vos.model.networks.published import published_shapes

    if architecture != registry.EMBEDDED:
        return published_shapes(architecture)
    return {n: t.shape for n, t in build_nano(read_nano_config(path)).state_dict().items()}


def _group(names: Sequence[str]) -> str:
    """Name the modules that tensors belong to, with how many each has."""
    counts = Counter(".".join(name.split(".")[:2]) for name in names)
    shown = [f"{module} ({count})" for module, count in counts.most_common(4)]
    return ", ".join(shown) + (", ..." if len(counts) > 4 else "")
