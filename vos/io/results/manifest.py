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

from vos.bounded import read_json
from vos.io.results.fingerprint import InputFingerprint
from vos.io.results.layout import REVIEWED_NAME
from vos.version import __version__

MANIFEST_NAME = "manifest.json"
LOCK_NAME = ".lock"
"""File that the run which makes an output holds; it stays behind where that run is killed."""

SCHEMA = 2
_KNOWN_SCHEMAS = (1, SCHEMA)
"""Schema 1 had checksums of the ends of the input's files; they are compared as they were made."""

CHANGED = "changed"
"""Says of a manifest's input that it changed while it was tracked."""

_LITTER = {REVIEWED_NAME, ".DS_Store", "Thumbs.db", "desktop.ini"}  # left by who looked inside


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
    """Read the manifest in `folder`; return None where this version understands none.

    `files` is there then, and the rest has its type where it is there; `is_identity` tells
    whether `input`, `parameters` and `model_sha256` are.
    """
    try:
        manifest = read_json(folder / MANIFEST_NAME)
    except (OSError, ValueError):
        return None
    return manifest if _is_manifest(manifest) else None


_NO_IDENTITY = {
    "input": {"name": "", "size_bytes": 0, "sha256": ""},
    "parameters": {},
    "model_sha256": None,
}


def is_identity(found: Any) -> bool:
    """Tell whether these values from a file say what was tracked, as `Fingerprint.as_json` does."""
    return (
        isinstance(found, dict)
        and _is_input(found.get("input"))
        and isinstance(found.get("parameters"), dict)
        and isinstance(found.get("model_sha256", 0), str | None)
    )


def _is_manifest(found: Any) -> bool:
    if not isinstance(found, dict) or type(found.get("schema")) is not int:
        return False
    return (
        found["schema"] in _KNOWN_SCHEMAS
        and is_identity({**_NO_IDENTITY, **found})
        and _is_table(found.get("files"), int)
        and isinstance(found.get("source", ""), str)
        and "\0" not in found.get("source", "")
        and _is_list(found.get("scene_cuts") or [], int)
        and type(found.get("frame_count", 0)) is int
        and _is_list(found.get("warnings", []), str)
        and isinstance(found.get("ended_at_cut"), int | None)
        and are_placed(found.get("found", []))
        and _is_list(found.get("history", []), dict)
        and all(map(_is_history_entry, found.get("history", [])))
        and _is_table(found.get("stale", {}), list)
        and all(
            map(_is_span, (span for spans in found.get("stale", {}).values() for span in spans))
        )
    )


def _is_input(found: Any) -> bool:
    return (
        isinstance(found, dict)
        and isinstance(found.get("name"), str)
        and "\0" not in found["name"]
        and type(found.get("size_bytes")) is int
        and isinstance(found.get("sha256"), str)
    )


def _is_history_entry(entry: dict[str, Any]) -> bool:
    if not isinstance(entry.get("when"), str):
        return False
    if "undo" in entry:
        return type(entry["undo"]) is int
    spans, prompts = entry.get("spans", 0), entry.get("prompts")
    return (
        type(entry.get("edit")) is int
        and isinstance(spans, list)
        and _is_list(spans, dict)
        and all(_is_span([span.get("first"), span.get("last")]) for span in spans)
        and all(type(span.get("object_id")) is int for span in spans)
        and are_placed(prompts)
    )


def are_placed(prompts: Any) -> bool:
    """Tell whether these values from a file are a list of prompts, as far as where they are."""
    return _is_list(prompts, dict) and all(
        type(one.get("object_id")) is int and type(one.get("frame_idx")) is int for one in prompts
    )


def find_found(manifest: Mapping[str, Any]) -> tuple[tuple[int, int], ...] | None:
    """Return object id and frame index of what was found without a prompt.

    None where nobody looked.
    """
    if "found" not in manifest:
        return None
    return tuple((one["object_id"], one["frame_idx"]) for one in manifest["found"])


def _is_span(span: Any) -> bool:
    return _is_list(span, int) and len(span) == 2 and 0 <= span[0] <= span[1]


def _is_list(found: Any, kind: type) -> bool:
    return isinstance(found, list) and all(type(item) is kind for item in found)


def _is_table(found: Any, kind: type) -> bool:
    return isinstance(found, dict) and all(type(value) is kind for value in found.values())


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
