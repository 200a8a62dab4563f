"""What a finished output says about itself: from what, with what and by what it was made."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from vos.io.results.fingerprint import InputFingerprint
from vos.version import __version__

MANIFEST_NAME = "manifest.json"
LOCK_NAME = ".lock"
"""File that the run which makes an output holds; it stays behind where that run is killed."""

SCHEMA = 2
_KNOWN_SCHEMAS = (1, SCHEMA)
"""Schema 1 had checksums of the ends of the input's files; they are compared as they were made."""

CHANGED = "changed"
"""Says of a manifest's input that it changed while it was tracked."""

_LITTER = {".DS_Store", "Thumbs.db", "desktop.ini"}  # left by file managers that looked inside


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
                    "input": self.input.as_json(),
                    "parameters": dict(self.parameters),
                    "model_sha256": self.model_sha256,
                }
            )
        )

    def differences(self, manifest: Mapping[str, Any]) -> list[str]:
        """List what differs from a manifest: "input", "model", or a parameter's name."""
        mine = self.as_json()
        names = [] if self._is_of(manifest.get("input")) else ["input"]
        if manifest.get("model_sha256") != self.model_sha256:
            names.append("model")
        theirs = manifest.get("parameters")
        theirs = theirs if isinstance(theirs, dict) else {}
        absent = object()
        for name in sorted({*mine["parameters"], *theirs}):
            if mine["parameters"].get(name, absent) != theirs.get(name, absent):
                names.append(name)
        return names

    def _is_of(self, recorded: Any) -> bool:
        return (
            isinstance(recorded, Mapping)
            and recorded.get("name") == self.input.name
            and not recorded.get(CHANGED)
            and self.input.matches(recorded)
        )


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
        and manifest.get("schema") in _KNOWN_SCHEMAS
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
    return found.matches(manifest["input"])


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
