"""Clips of a folder: videos, and folders of images."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from vos.errors import InputError
from vos.io.paths import absolute, display_name, unreadable
from vos.io.read.formats import FOREIGN_SUFFIXES, STILL_SUFFIXES, VIDEO_SUFFIXES
from vos.io.results.manifest import read_manifest
from vos_cli.batch.clips.rows import Row

PROMPTS_SUFFIX = ".prompts.json"
"""The ending of a prompt file beside its clip, which no pattern takes for a clip."""


def find_rows(
    folder: Path,
    *,
    recursive: bool,
    match: str | None,
    leave_out: Path,
    may_be_empty: bool = False,
) -> list[Row]:
    """List the clips directly in `folder`, or anywhere below it, without hidden entries.

    match: a pattern for the names of files and folders, in place of the known suffixes. leave_out:
    the output, which may lie inside. Finished outputs of vos are left out too.

    may_be_empty: whether there may be none.

    Raises InputError if there is none, or the folder cannot be read.
    """
    folder, leave_out = absolute(folder), leave_out.resolve()
    found = sorted(
        _walk(folder, recursive, match, leave_out), key=lambda path: _order(path, folder)
    )
    if not found and not may_be_empty:
        wanted = f"matches {match!r}" if match else "is a video or a folder of images"
        deeper = "" if recursive else "; --recursive looks into its folders"
        own = [name for name in os.listdir(folder) if Path(name).suffix.lower() in STILL_SUFFIXES]  # noqa: PTH208
        if own and match is None:
            deeper = (
                f"; its {len(own)} images are one clip for `vos track`, or for `vos batch` of the "
                "folder above"
            )
        raise InputError(f"{display_name(folder)}: nothing here {wanted}{deeper}")
    return [Row(str(path.relative_to(folder)), str(path)) for path in found]


def find_left_out(folder: Path, rows: Sequence[Row], leave_out: Path) -> list[str]:
    """List the visible entries of a folder that are no clip, hold none and belong to none."""
    taken = {Path(row.place).parts[0] for row in rows}
    leave_out = leave_out.resolve()
    return sorted(
        f"{entry.name}/" if entry.is_dir() else entry.name
        for entry in absolute(folder).iterdir()
        if not entry.name.startswith(".")
        and entry.name not in taken
        and not entry.name.endswith(PROMPTS_SUFFIX)
        and entry.resolve() != leave_out
        and read_manifest(entry) is None
    )


def _walk(folder: Path, recursive: bool, match: str | None, leave_out: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise unreadable(folder, error)

    for place, folders, files in os.walk(folder, onerror=None if recursive else fail):
        here = Path(place)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".")
            and (here / name).resolve() != leave_out
            and read_manifest(here / name) is None
        ]
        for name in files:
            if name.startswith(".") or name.endswith(PROMPTS_SUFFIX):
                continue
            if fnmatch(name, match) if match else Path(name).suffix.lower() in VIDEO_SUFFIXES:
                yield here / name
        for name in folders:
            wanted = match is None or fnmatch(name, match)
            if wanted and _holds(here / name):
                yield here / name
        if not recursive:
            return


def _holds(folder: Path) -> bool:
    """Tell whether images are in the folder, and no video: videos are clips of their own.

    Images that are not read count too, so that such a clip fails with the reason.
    """
    try:
        names = [name for name in os.listdir(folder) if not name.startswith(".")]  # noqa: PTH208
    except OSError:
        return False
    kinds = {Path(name).suffix.lower() for name in names}
    return bool(kinds & (STILL_SUFFIXES | FOREIGN_SUFFIXES)) and not kinds & VIDEO_SUFFIXES


def _order(path: Path, folder: Path) -> list[str]:
    return [part.lower() for part in path.relative_to(folder).parts]
