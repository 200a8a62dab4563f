"""What is at an output's place already: an equal output, another one, or something in the way."""

from __future__ import annotations

from pathlib import Path

from vos.errors import OtherOutputError, OutputError, Parameter
from vos.io.paths import display_name
from vos.io.results.manifest import Fingerprint, inventory, read_manifest
from vos.io.results.swap import refuse_to_lose_edits


def is_done(path: Path, fingerprint: Fingerprint, *, overwrite: bool) -> bool:
    """Tell whether an equal output is at `path`. Raises OutputError if something is in the way."""
    name = display_name(path)
    if not path.exists():
        return False
    if not path.is_dir():
        raise OutputError(f"{name}: is a file; the output is a folder: choose another -o")
    if not any(path.iterdir()):
        return False
    manifest = read_manifest(path)
    if manifest is None:
        raise OutputError(
            f"{name}: holds files that are no vos output, and they are never replaced: choose a "
            "new folder with -o"
        )
    files, found = manifest["files"], inventory(path)
    differences = fingerprint.differences(manifest)
    if overwrite or differences:
        refuse_to_lose_edits(path)
    if overwrite:
        for entry in sorted(found):
            if found[entry] > files.get(entry, 0):
                raise OutputError(
                    f"{name}: {display_name(entry)} holds files that vos did not write, and they "
                    "are never replaced: move them, or choose a new folder with ",
                    Parameter("output"),
                )
        return False
    if differences:
        raise OtherOutputError(
            f"{name}: holds an output made with other settings ({', '.join(differences)}): give ",
            Parameter("overwrite"),
            " to replace it, or choose another ",
            Parameter("output"),
        )
    if missing := [entry for entry in files if found.get(entry, 0) < files[entry]]:
        raise OtherOutputError(
            f"{name}: is not complete any more ({display_name(missing[0])} lacks files): give ",
            Parameter("overwrite"),
            " to make it again, or choose another ",
            Parameter("output"),
        )
    return True
