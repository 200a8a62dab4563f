"""Clips of a folder: videos, and folders of images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from vos.errors import InputError
from vos.io.paths import absolute, display_name, unreadable
from vos.io.results.manifest import read_manifest
from vos_cli.batch.rows import Row

VIDEO_SUFFIXES = frozenset(
    (
        ".3g2", ".3gp", ".avi", ".flv", ".gif", ".h264", ".h265", ".hevc", ".ivf", ".m2ts",
        ".m2v", ".m4v", ".mj2", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv",
        ".ts", ".vob", ".webm", ".wmv", ".y4m",
    )
)  # fmt: skip

PROMPTS_SUFFIX = ".prompts.json"
"""The ending of a prompt file beside its clip, which no pattern takes for a clip."""


def find_rows(folder: Path, *, recursive: bool, match: str | None, leave_out: Path) -> list[Row]:
    """List the clips directly in `folder`, or anywhere below it, without hidden entries.

    match: a pattern for the names of files and folders, in place of the known suffixes. leave_out:
    the output, which may lie inside. Finished outputs of vos are left out too.

    Raises InputError if there is none, or the folder cannot be read.
    """
    folder, leave_out = absolute(folder), leave_out.resolve()
    found = sorted(
        _walk(folder, recursive, match, leave_out), key=lambda path: _order(path, folder)
    )
    if not found:
        wanted = f"matches {match!r}" if match else "is a video or a folder of images"
        deeper = "" if recursive else "; --recursive looks into its folders"
        raise InputError(f"{display_name(folder)}: nothing here {wanted}{deeper}")
    return [Row(str(path.relative_to(folder)), str(path)) for path in found]


def _walk(folder: Path, recursive: bool, match: str | None, leave_out: Path) -> Iterator[Path]:
    from vos.io.read.images import STILL_SUFFIXES  # Pillow loads slowly

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
            if wanted and _holds(here / name, STILL_SUFFIXES):
                yield here / name
        if not recursive:
            return


def _holds(folder: Path, suffixes: frozenset[str]) -> bool:
    """Tell whether a still is in the folder, and no video: videos are clips of their own."""
    try:
        names = [name for name in os.listdir(folder) if not name.startswith(".")]  # noqa: PTH208
    except OSError:
        return False
    kinds = {Path(name).suffix.lower() for name in names}
    return bool(kinds & suffixes) and not kinds & VIDEO_SUFFIXES


def _order(path: Path, folder: Path) -> list[str]:
    return [part.lower() for part in path.relative_to(folder).parts]
