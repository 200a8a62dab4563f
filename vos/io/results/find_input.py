"""Where the input of a finished result is now."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vos.errors import InputError, Parameter
from vos.io.paths import display_name
from vos.io.results.fingerprint import fingerprint_input
from vos.io.results.manifest import is_input


def find_input(path: Path, manifest: Mapping[str, Any], given: str | None) -> str:
    """Return the path of a result's input, checked to be what was tracked.

    path: the result's folder. given: where the user says it is; None to look where the manifest
    says, then beside the result.
    Raises InputError where it is not there or is another one.
    """
    wanted = manifest["input"]
    if isinstance(manifest.get("live"), Mapping):
        raise InputError(
            f"{display_name(wanted['name'])}: the input of this result was a live source, whose "
            "frames are gone"
        )
    beside = path.parent / wanted["name"]
    recorded = manifest.get("source")
    candidates = [os.path.normpath(path / recorded)] if recorded is not None else []
    candidates.append(str(beside))
    for candidate in [given] if given is not None else candidates:
        try:
            found = fingerprint_input(Path(candidate))
        except InputError:
            continue
        if is_input(manifest, found):
            return candidate
        if given is not None:
            raise InputError(
                f"{display_name(given)}: is not the input of this result, which is "
                f"{display_name(wanted['name'])} of {wanted['size_bytes']} bytes; give that one"
            )
    where = given if given is not None else candidates[0]
    raise InputError(
        f"{display_name(where)}: the input of this result is not there, or changed; say where it "
        "is with ",
        Parameter("input"),
    )
