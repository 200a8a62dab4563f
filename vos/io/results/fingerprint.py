"""What an input is known by: all of its bytes, read once and remembered for as long as they stay.

A checksum is remembered with the size, times, inode and device of each file, so that a run that is
continued or repeated reads nothing again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vos.errors import InputError, OutputError
from vos.io.disk import write_atomic
from vos.io.paths import display_name
from vos.io.patterns import expand

COVERS = "all"
"""How a manifest says that the checksum is of all bytes; one of an older vos has no such word."""

_ENDS_OF_ONE_FILE = 2**20
_ENDS_OF_EACH_OF_MANY = 2**14
# A file that was written so recently may be written again within the same tick of its clock.
_SETTLED_S = 3.0
_MOST_REMEMBERED = 1000
_remembered: dict[str, tuple[str, str]] = {}

Stamp = tuple[tuple[str, int, int, int, int, int], ...]
"""Of each file: name, size in bytes, times of the last writing and change in ns, inode, device."""


@dataclass(frozen=True, slots=True)
class InputFingerprint:
    """What it takes to know an input again.

    name: last part of its path.
    size_bytes: of the file, or of all files together.
    sha256: of the file; for a folder or glob, of each file's name, size and SHA-256.
    ends_sha256: as an older vos had it in `sha256`: of the file's first and last MiB; for a folder
        or glob, of each file's name, size and first and last 16 KiB.
    """

    name: str
    size_bytes: int
    sha256: str
    ends_sha256: str = field(default="", compare=False)

    def as_json(self) -> dict[str, Any]:
        """Return it as a manifest has it."""
        return {
            "name": self.name,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "covers": COVERS,
        }

    def matches(self, recorded: Mapping[str, Any]) -> bool:
        """Tell whether a manifest's `input` is this content, under whatever name."""
        mine = self.ends_sha256 if is_by_ends(recorded) else self.sha256
        theirs = (recorded.get("size_bytes"), recorded.get("sha256"))
        return (self.size_bytes, mine) == theirs


def is_by_ends(recorded: Mapping[str, Any]) -> bool:
    """Tell whether a manifest's `input` is of an older vos, which read the ends of files only."""
    return recorded.get("covers") != COVERS


def fingerprint_input(path: Path) -> InputFingerprint:
    """Fingerprint a file, the files directly in a folder, or those a glob matches.

    Raises InputError when there is none, one cannot be read, or one changes while it is read.
    """
    try:
        files = _list_files(path)
        before = _stamp(files)
        key = _key(before, path.is_file())
        found = _recall(key)
        if found is None:
            found = _digest_one(path) if path.is_file() else _digest_many(files)
            if _stamp(_list_files(path)) != before:
                raise InputError(
                    f"{display_name(path)}: changes while it is read; wait until it is complete"
                )
            if all(time.time() - file.stat().st_mtime > _SETTLED_S for file in files):
                _remember(key, found)
    except OSError as error:
        raise InputError(
            f"{display_name(path)}: cannot be read ({error.strerror or error}): check its "
            "permissions"
        ) from error
    return InputFingerprint(path.name, sum(one[1] for one in before), *found)


def stamp_input(path: Path) -> Stamp | None:
    """Return what tells that an input has changed since; None where it is not there."""
    try:
        return _stamp(_list_files(path))
    except (OSError, InputError):
        return None


def _list_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        files = sorted(entry for entry in path.iterdir() if entry.is_file())
    else:
        files = sorted(entry for entry in expand(path) if entry.is_file())
    if not files:
        raise InputError(f"{display_name(path)}: no such file; check the name")
    return files


def _stamp(files: Sequence[Path]) -> Stamp:
    states = ((file.name, file.stat()) for file in files)
    return tuple(
        (name, one.st_size, one.st_mtime_ns, one.st_ctime_ns, one.st_ino, one.st_dev)
        for name, one in states
    )


def _key(stamp: Stamp, is_one: bool) -> str:
    """Name what is remembered of these files as they are now."""
    return hashlib.sha256(json.dumps([1, is_one, stamp]).encode()).hexdigest()


def _digest_one(file: Path) -> tuple[str, str]:
    ends = hashlib.sha256(_ends(file, _ENDS_OF_ONE_FILE))
    return _digest(file), ends.hexdigest()


def _digest_many(files: Sequence[Path]) -> tuple[str, str]:
    whole, ends = hashlib.sha256(), hashlib.sha256()
    for file in files:
        head = os.fsencode(file.name) + b"\0" + str(file.stat().st_size).encode() + b"\0"
        whole.update(head + bytes.fromhex(_digest(file)))
        ends.update(head + _ends(file, _ENDS_OF_EACH_OF_MANY))
    return whole.hexdigest(), ends.hexdigest()


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _ends(path: Path, length: int) -> bytes:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(length)
        file.seek(max(len(head), size - length))
        return head + file.read(length)


def _folder() -> Path:
    return Path.home() / ".cache" / "vos" / "inputs"


def _recall(key: str) -> tuple[str, str] | None:
    if key in _remembered:
        return _remembered[key]
    try:
        whole, ends = json.loads((_folder() / key).read_text("ascii"))
    except (OSError, ValueError, TypeError, RuntimeError):  # RuntimeError: there is no home
        return None
    is_whole = all(isinstance(one, str) and len(one) == 64 for one in (whole, ends))
    return (whole, ends) if is_whole else None


def _remember(key: str, found: tuple[str, str]) -> None:
    """Keep a checksum for later runs, where that can be done; the oldest make room."""
    _remembered[key] = found
    with contextlib.suppress(OSError, OutputError, RuntimeError):
        folder = _folder()
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / key, json.dumps(found).encode())
        known = sorted(folder.iterdir(), key=lambda entry: entry.stat().st_mtime)
        for entry in known[:-_MOST_REMEMBERED]:
            entry.unlink()
