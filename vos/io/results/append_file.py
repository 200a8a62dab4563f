"""A file that only grows, so that a length and a checksum say what a checkpoint saw of it."""

from __future__ import annotations

import contextlib
import os
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from vos.errors import ResumeError
from vos.io.closing import Closing
from vos.io.disk import output_errors
from vos.io.paths import display_name
from vos.io.results.checkpoints import as_count

_BLOCK_BYTES = 2**20


class AppendFile(Closing):
    """A file to which bytes are added at the end and which is read anywhere.

    path: the file; None for a temporary one that goes when it is closed.
    resume: what `mark` or `sync` returned: the file is cut back to that length. None: it begins
        empty.

    Raises ResumeError if the file is shorter or holds other bytes than `resume` says, OutputError
    where it cannot be written, on closing too.
    """

    def __init__(self, path: Path | None = None, resume: Mapping[str, Any] | None = None) -> None:
        self._path = Path(tempfile.gettempdir()) if path is None else path
        self.length, self._crc = 0, 0
        with output_errors(self._path):
            if path is None:
                self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - see _abandon()
            elif resume is None:
                self._file = path.open("w+b")
            else:
                self._file = _cut_back(path, resume)
                self.length, self._crc = resume["bytes"], resume["crc32"]

    def append(self, data: bytes) -> int:
        """Add `data`; return the offset at which it begins. Raises OutputError."""
        offset = self.length
        with output_errors(self._path):
            self._file.seek(offset)
            self._file.write(data)
        self._crc = zlib.crc32(data, self._crc)
        self.length += len(data)
        return offset

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset` on, fewer at the end."""
        self._file.seek(offset)
        return self._file.read(min(size, self.length - offset))

    def mark(self) -> dict[str, int]:
        """Return where the file ends now; that says nothing of what has reached the disk."""
        return {"bytes": self.length, "crc32": self._crc}

    def sync(self) -> dict[str, int]:
        """Make all of it survive a power cut; return the mark. Raises OutputError."""
        with output_errors(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())
        return self.mark()

    def _finish(self) -> None:
        try:
            with output_errors(self._path):
                self._file.flush()
        finally:
            self._abandon()

    def _abandon(self) -> None:
        with contextlib.suppress(OSError):  # closing flushes, which fails again on a full disk
            self._file.close()


def _cut_back(path: Path, resume: Mapping[str, Any]) -> IO[bytes]:
    name = display_name(path.name)
    left, wanted, crc = as_count(resume["bytes"]), as_count(resume["crc32"]), 0
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        raise ResumeError(f"{name}: is not there any more") from None
    while left and (block := file.read(min(left, _BLOCK_BYTES))):
        crc = zlib.crc32(block, crc)
        left -= len(block)
    if left or crc != wanted:
        file.close()
        raise ResumeError(f"{name}: is {'too short' if left else 'damaged'}")
    file.truncate(resume["bytes"])
    return file
