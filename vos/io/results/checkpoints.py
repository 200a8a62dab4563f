"""Checkpoint files: written so that a power cut leaves the one before, read so that damage shows.

A file is 8 magic bytes, the SHA-256 of the rest, the length of a JSON header, the header, and the
binary parts one after the other. The last two checkpoints are kept; where a run may be taken back
to an earlier frame, older ones too, the fewer the older they are.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vos.bounded import parse_json
from vos.errors import ResumeError
from vos.io.disk import output_errors, sync_folder, write_atomic

_MAGIC = b"vosckpt1"
_DIGEST_BYTES = 32
_LENGTH_BYTES = 8
_KEPT = 2
_NAME = re.compile(r"checkpoint-(\d{8})")


@dataclass(frozen=True, slots=True)
class SavedState:
    """How far one part of a run is.

    values: JSON values.
    blob: bytes, for what is no text.
    """

    values: Mapping[str, Any]
    blob: bytes = b""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The saved state of a whole run.

    header: JSON values.
    parts: binary values by name.
    number: which one it is in its folder, once it is read.
    """

    header: Mapping[str, Any]
    parts: Mapping[str, bytes] = field(default_factory=dict)
    number: int = field(default=-1, compare=False)


@contextlib.contextmanager
def saved_by_another() -> Iterator[None]:
    """Turn what reading a saved state raises into a ResumeError, where the state is not ours.

    A checkpoint that is whole may still be of another version, or made by somebody: each part of a
    run reads its own values, and this is around all of them.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ResumeError(
            f"holds no state that this version can continue ({type(error).__name__})"
        ) from error


def as_count(value: Any) -> int:
    """Return a number of a saved state, which counts something. Raises TypeError, ValueError."""
    if type(value) is not int:
        raise TypeError("a saved count is no whole number")
    if value < 0:
        raise ValueError("a saved count is below 0")
    return value


class CheckpointStore:
    """The checkpoints in one folder, which is made when the first is written.

    keeps_older: keep ever fewer of the older ones, to go back to.
    """

    def __init__(self, folder: Path, *, keeps_older: bool = False) -> None:
        self._folder = folder
        self._keeps_older = keeps_older
        self._next = max(self._numbers(), default=-1) + 1

    def write(self, checkpoint: Checkpoint) -> int:
        """Save a checkpoint and return the bytes written; after that a power cut does no harm.

        Raises OutputError; the checkpoints before are untouched then.
        """
        data = _encode(checkpoint)
        with output_errors(self._folder):
            self._folder.mkdir(exist_ok=True)
            write_atomic(self._path(self._next), data)
            sync_folder(self._folder)
            self._next += 1
            for number in self._numbers()[:-_KEPT]:
                if not (self._keeps_older and _is_landmark(number, self._next - 1)):
                    self._path(number).unlink()
        return len(data)

    def drop_after(self, number: int) -> None:
        """Delete the checkpoints that are newer than this one. Raises OutputError."""
        with output_errors(self._folder):
            for other in self._numbers():
                if other > number:
                    self._path(other).unlink()

    def load(
        self, is_ours: Callable[[Checkpoint], bool] = lambda _checkpoint: True
    ) -> tuple[list[Checkpoint], int]:
        """Read the checkpoints that are whole, newest first, and count the others.

        is_ours: tells whether a header has what its reader needs.
        """
        whole: list[Checkpoint] = []
        damaged = 0
        for number in reversed(self._numbers()):
            checkpoint = _read(self._path(number))
            if checkpoint is None or not is_ours(checkpoint):
                damaged += 1
            else:
                whole.append(replace(checkpoint, number=number))
        return whole, damaged

    def _path(self, number: int) -> Path:
        return self._folder / f"checkpoint-{number:08d}"

    def _numbers(self) -> list[int]:
        if not self._folder.is_dir():
            return []
        found = (_NAME.fullmatch(entry.name) for entry in self._folder.iterdir())
        return sorted(int(match[1]) for match in found if match)


def _is_landmark(number: int, newest: int) -> bool:
    """Tell whether an older checkpoint is kept: the gaps between them double with their age."""
    step = 1 << max((newest - number).bit_length() - 2, 0)
    return number % step == 0


def _encode(checkpoint: Checkpoint) -> bytes:
    sizes = {name: len(part) for name, part in checkpoint.parts.items()}
    header = json.dumps({"header": checkpoint.header, "sizes": sizes}).encode()
    length = len(header).to_bytes(_LENGTH_BYTES, "little")
    body = b"".join((length, header, *checkpoint.parts.values()))
    return _MAGIC + hashlib.sha256(body).digest() + body


def _read(path: Path) -> Checkpoint | None:
    """Read a checkpoint; return None if it is damaged, or not there any more."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    start = len(_MAGIC) + _DIGEST_BYTES
    body = data[start:]
    if data[:start] != _MAGIC + hashlib.sha256(body).digest():
        return None
    end = _LENGTH_BYTES + int.from_bytes(body[:_LENGTH_BYTES], "little")
    try:
        content = parse_json(body[_LENGTH_BYTES:end])
        header, sizes = content["header"], content["sizes"]
        parts = {}
        for name, size in sizes.items():
            if type(size) is not int or not 0 <= size <= len(body) - end:
                return None
            parts[name] = body[end : end + size]
            end += size
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return Checkpoint(header, parts) if isinstance(header, dict) else None
