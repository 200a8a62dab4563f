"""What a finished output says about itself: from what, with what and by what it was made."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from vos.errors import InputError
from vos.io.paths import display_name
from vos.version import __version__

MANIFEST_NAME = "manifest.json"
LOCK_NAME = ".lock"
"""File that the run which makes an output holds; it stays behind where that run is killed."""

SCHEMA = 1
_ENDS_OF_ONE_FILE = 2**20
_ENDS_OF_EACH_OF_MANY = 2**14
_LITTER = {".DS_Store", "Thumbs.db", "desktop.ini"}  # left by file managers that looked inside


@dataclass(frozen=True, slots=True)
class InputFingerprint:
    """What it takes to know an input again, without reading all of it.

    name: last part of its path. size_bytes: of the file, or of all files together.
    sha256: of the file's first and last MiB; for a folder or glob, of each file's name, size and
        first and last 16 KiB.
    """

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What decides the masks: two runs with equal fingerprints give the same output.

    input: the footage.
    parameters: JSON values by name, prompts included (as a checksum of their text, for example).
    model_sha256: checksum of the weights, None where the model has none.
    """

    input: InputFingerprint
    parameters: Mapping[str, Any]
    model_sha256: str | None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it: tuples are lists, keys are texts."""
        return json.loads(
            json.dumps(
                {
                    "input": asdict(self.input),
                    "parameters": dict(self.parameters),
                    "model_sha256": self.model_sha256,
                }
            )
        )

    def differences(self, manifest: Mapping[str, Any]) -> list[str]:
        """List what differs from a manifest: "input", "model", or a parameter's name."""
        mine = self.as_json()
        names = ["input"] if manifest.get("input") != mine["input"] else []
        if manifest.get("model_sha256") != self.model_sha256:
            names.append("model")
        theirs = manifest.get("parameters")
        theirs = theirs if isinstance(theirs, dict) else {}
        absent = object()
        for name in sorted({*mine["parameters"], *theirs}):
            if mine["parameters"].get(name, absent) != theirs.get(name, absent):
                names.append(name)
        return names


def fingerprint_input(path: Path) -> InputFingerprint:
    """Fingerprint a file, the files directly in a folder, or those a glob matches.

    Raises InputError when there is none or one cannot be read.
    """
    try:
        if path.is_file():
            size = path.stat().st_size
            digest = hashlib.sha256(_ends(path, size, _ENDS_OF_ONE_FILE))
            return InputFingerprint(path.name, size, digest.hexdigest())
        if path.is_dir():
            files = sorted(entry for entry in path.iterdir() if entry.is_file())
        else:
            matches = glob.glob(str(path))  # noqa: PTH207  (Path.glob takes no absolute pattern)
            files = sorted(entry for entry in map(Path, matches) if entry.is_file())
        if not files:
            raise InputError(f"{display_name(path)}: no such file; check the name")
        digest, total = hashlib.sha256(), 0
        for file in files:
            size = file.stat().st_size
            total += size
            digest.update(os.fsencode(file.name) + b"\0" + str(size).encode() + b"\0")
            digest.update(_ends(file, size, _ENDS_OF_EACH_OF_MANY))
        return InputFingerprint(path.name, total, digest.hexdigest())
    except OSError as error:
        raise InputError(
            f"{display_name(path)}: cannot be read ({error.strerror or error}): check its "
            "permissions"
        ) from error


def manifest_text(
    fingerprint: Fingerprint,
    *,
    frame_count: int,
    warnings: Sequence[str],
    files: Mapping[str, int],
    source: str | None = None,
    more: Mapping[str, Any] | None = None,
) -> str:
    """Write the manifest of a finished output.

    files: its content, as `inventory` counts it.
    source: where the input is, seen from the output folder.
    more: what else is known of it.
    """
    manifest = {
        "schema": SCHEMA,
        **fingerprint.as_json(),
        **({} if source is None else {"source": source}),
        "versions": versions(),
        "frame_count": frame_count,
        "warnings": list(warnings),
        **(more or {}),
        "files": dict(files),
    }
    return as_text(manifest)


def as_text(manifest: Mapping[str, Any]) -> str:
    """Write a manifest as its file has it."""
    return json.dumps(manifest, indent=2) + "\n"


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Read the manifest in `folder`; return None where this version understands none."""
    try:
        manifest = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    is_known = (
        isinstance(manifest, dict)
        and manifest.get("schema") == SCHEMA
        and isinstance(manifest.get("files"), dict)
    )
    return manifest if is_known else None


def edits_in_force(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the corrections in a manifest's history that were not taken back, oldest first."""
    edits: list[dict[str, Any]] = []
    for entry in manifest.get("history", ()):
        if "undo" in entry:
            edits = [edit for edit in edits if edit["edit"] != entry["undo"]]
        else:
            edits.append(entry)
    return edits


def is_input(manifest: Mapping[str, Any], found: InputFingerprint) -> bool:
    """Tell whether this is the input that was tracked, under whatever name."""
    was = manifest["input"]
    return (found.size_bytes, found.sha256) == (was["size_bytes"], was["sha256"])


def inventory(folder: Path) -> dict[str, int]:
    """Count the files under each entry of `folder`, 1 for a file; leave the manifest out."""
    counts = {}
    for entry in sorted(folder.iterdir()):
        if entry.name in (MANIFEST_NAME, LOCK_NAME) or entry.name in _LITTER:
            continue
        if entry.is_dir() and not entry.is_symlink():
            inside = (path for path in entry.rglob("*") if path.name not in _LITTER)
            counts[entry.name] = sum(1 for path in inside if not path.is_dir())
        else:
            counts[entry.name] = 1
    return counts


@lru_cache
def versions() -> dict[str, str]:
    """Return the versions of what takes part in making masks, where it is installed."""
    found = {"vos": __version__, "python": platform.python_version()}
    for name in ("torch", "sam2", "av", "numpy", "pillow"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _ends(path: Path, size: int, length: int) -> bytes:
    with path.open("rb") as file:
        head = file.read(length)
        file.seek(max(len(head), size - length))
        return head + file.read(length)
