"""Turn `--refiner` into a file: names, headers, the base it was trained for. No torch here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from vos.bounded import parse_json
from vos.errors import CheckpointError, ModelError, Parameter
from vos.model.files.weights import compute_sha256, unreadable
from vos.model.registry import expand_user, models_dir

AUTO = "auto"
NONE = "none"
EMBEDDED = "nano-refiner"
SUFFIX = ".safetensors"
WEIGHTS_DIR = Path(__file__).resolve().parent.parent / "weights"

HEADER_KEY = "vos.refiner"
FORMAT = 1
_LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class RefinerInfo:
    """A refiner file's own description.

    name: the file's name without its suffix.
    path: the file.
    sha256: of the file.
    kind: as registered.
    options: the fields of the kind's config.
    base_name: the weights it was trained on; it fits no others.
    base_sha256: of these weights.
    """

    name: str
    path: Path
    sha256: str
    kind: str
    options: Mapping[str, Any]
    base_name: str
    base_sha256: str


def header_text(kind: str, options: Mapping[str, Any], base_name: str, base_sha256: str) -> str:
    """Write the value of HEADER_KEY in the file's metadata; `resolve_refiner` reads it."""
    base = {"name": base_name, "sha256": base_sha256}
    header = {"format": FORMAT, "kind": kind, "options": dict(options), "base": base}
    return json.dumps(header, sort_keys=True)


def resolve_refiner(spec: str, base_name: str, base_sha256: str) -> RefinerInfo | None:
    """Find the file that `spec` means for this base; None for no refiner. Tensors are not read.

    spec: "none"; "auto", the embedded refiner where it was trained for exactly this base, else
    none; a name (NAME.safetensors in the package or in the models folder) or a path, which must
    fit.

    Raises: ModelError for an absent refiner or one of another base; CheckpointError for a file
    that is truncated, foreign or of a later format.
    """
    if spec == NONE:
        return None
    if spec == AUTO:
        path = WEIGHTS_DIR / f"{EMBEDDED}{SUFFIX}"
        try:
            info = read_info(path) if path.is_file() else None
        except CheckpointError:
            return None
        return info if info is not None and info.base_sha256 == base_sha256 else None
    info = read_info(_find(spec))
    if info.base_sha256 != base_sha256:
        if info.base_name == base_name:
            raise ModelError(
                f"{spec}: trained for another version of {base_name} (SHA-256 "
                f"{info.base_sha256[:12]}...; this one is {base_sha256[:12]}...); train it on this "
                f"one (vos train refiner --start-from {spec}), or use ",
                Parameter("refiner", NONE),
            )
        raise ModelError(
            f"{spec}: trained for {info.base_name} (SHA-256 {info.base_sha256[:12]}...), not for "
            f"{base_name} ({base_sha256[:12]}...); use that model, or ",
            Parameter("refiner", NONE),
        )
    return info


def _find(spec: str) -> Path:
    for folder in (WEIGHTS_DIR, models_dir()):
        if (folder / f"{spec}{SUFFIX}").is_file():
            return folder / f"{spec}{SUFFIX}"
    path = expand_user(spec)
    if path.is_file():
        return path
    if path.is_dir():
        raise ModelError(f"{spec}: is a folder, not a refiner; give its {SUFFIX} file")
    raise ModelError(
        Parameter("refiner", spec),
        f": no such refiner; give auto, none, or the path of a {SUFFIX} file",
    )


def read_info(path: Path) -> RefinerInfo:
    """Read a file's own description, whichever base it is for. Tensors are not read.

    Raises: CheckpointError for a file that is truncated, foreign or of a later format.
    """
    text = _read_metadata(path).get(HEADER_KEY)
    if text is None:
        raise _foreign(path)
    try:
        header = parse_json(text)
        written = int(header["format"])
        if written > FORMAT:
            raise CheckpointError(
                f"{path}: refiner format {written}, this vos reads up to {FORMAT}; update vos"
            )
        kind, options, base = str(header["kind"]), dict(header["options"]), header["base"]
        base_name, base_sha256 = str(base["name"]), str(base["sha256"])
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise _foreign(path) from error
    return RefinerInfo(path.stem, path, compute_sha256(path), kind, options, base_name, base_sha256)


def _read_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of a safetensors file, whose length is checked against its header."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            begins = file.read(_LENGTH_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error) from error
    if not begins.endswith(b"{"):
        raise _foreign(path)
    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError, TypeError, LookupError) as error:
        raise _truncation_error(path, size) from error


def _foreign(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path}: not a refiner file of vos; give one ({SUFFIX}), or ", Parameter("refiner", NONE)
    )


def _truncation_error(path: Path, size: int) -> CheckpointError:
    return CheckpointError(f"{path}: truncated or damaged ({size} bytes); get the file again")
