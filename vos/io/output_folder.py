"""The output folder, which is there complete or not at all.

Everything is written to a hidden folder beside it (`.NAME.part`), the manifest last, and moved
into place in one rename. A run that fails or is interrupted removes its part folder; what a killed
one left is replaced by the next.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from vos.errors import OutputError
from vos.io.disk import output_errors, sync_folder, write_atomic
from vos.io.manifest import (
    MANIFEST_NAME,
    Fingerprint,
    inventory,
    manifest_text,
    read_manifest,
)
from vos.io.paths import display_name

_LOCK_NAME = ".lock"


class OutputFolder:
    """One run's output. Made with `open`; a context manager.

    path: where the finished output is, or will be.
    part: the folder to write to until `commit`; absent when `is_complete`.
    is_complete: the output is already there, made by an equal run: there is nothing to do.
    """

    def __init__(
        self, path: Path, fingerprint: Fingerprint, *, is_complete: bool, lock: IO[str] | None
    ) -> None:
        self.path = path
        self.part = _part_of(path)
        self.is_complete = is_complete
        self._fingerprint = fingerprint
        self._lock = lock
        self._is_over = is_complete

    @classmethod
    def open(cls, path: Path, fingerprint: Fingerprint, *, overwrite: bool = False) -> Self:
        """Look at what is there and, unless it is complete, make the part folder.

        Nothing that was there is touched before `commit`, with `overwrite` either.

        Raises OutputError: `path` is a file, or holds files that are not ours, or an output made
        with other parameters or damaged (without `overwrite`); another run is writing it; the
        place is not writable or full.
        """
        with output_errors(path):
            path = path.resolve()
            if not path.name:
                raise OutputError(f"{path}: is the root of the disk: choose another -o")
            _recover(path)
            if _is_done(path, fingerprint, overwrite=overwrite):
                return cls(path, fingerprint, is_complete=True, lock=None)
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = _make_part(_part_of(path), path)
        return cls(path, fingerprint, is_complete=False, lock=lock)

    def commit(self, *, frame_count: int, warnings: Sequence[str] = ()) -> None:
        """Write the manifest and move everything into place. Call it after the sinks are closed.

        Raises OutputError; what was there before is still there then.
        """
        if self._is_over:
            raise ValueError("this output is already over")
        with output_errors(self.path):
            files = inventory(self.part)
            files.pop(_LOCK_NAME)
            text = manifest_text(
                self._fingerprint, frame_count=frame_count, warnings=warnings, files=files
            )
            write_atomic(self.part / MANIFEST_NAME, text.encode())
            self._unlock()
            sync_folder(self.part)
            _move_into_place(self.part, self.path)
        self._is_over = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._is_over:
            self._is_over = True
            with contextlib.suppress(OSError):
                _empty(self.part)
                self._unlock()
                self.part.rmdir()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
            (self.part / _LOCK_NAME).unlink(missing_ok=True)


def _part_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _old_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def _is_done(path: Path, fingerprint: Fingerprint, *, overwrite: bool) -> bool:
    """Whether an equal output is at `path`; OutputError if something in the way is."""
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
    if overwrite:
        for entry in sorted(found):
            if found[entry] > files.get(entry, 0):
                raise OutputError(
                    f"{name}: {display_name(entry)} holds files that vos did not write, and they "
                    "are never replaced: move them, or choose a new folder with -o"
                )
        return False
    if differences := fingerprint.differences(manifest):
        raise OutputError(
            f"{name}: holds an output made with other settings ({', '.join(differences)}): give "
            "--overwrite to replace it, or choose another -o"
        )
    if missing := [entry for entry in files if found.get(entry, 0) < files[entry]]:
        raise OutputError(
            f"{name}: is not complete any more ({display_name(missing[0])} lacks files): give "
            "--overwrite to make it again, or choose another -o"
        )
    return True


def _make_part(part: Path, path: Path) -> IO[str]:
    """A new, empty part folder, locked against other runs."""
    if part.exists():
        if not _is_leftover(part):
            raise OutputError(
                f"{display_name(part)}: is in the way and was not left by vos: move it, or choose "
                "another -o"
            )
    else:
        part.mkdir()
    lock = _lock(part, path)
    _empty(part)
    return lock


def _empty(part: Path) -> None:
    """Delete all but the lock, which marks the folder as ours for as long as it holds anything."""
    for entry in part.iterdir():
        if entry.name == _LOCK_NAME:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _is_leftover(part: Path) -> bool:
    if not part.is_dir() or part.is_symlink():
        return False
    is_ours = (part / _LOCK_NAME).exists() or read_manifest(part) is not None
    return is_ours or not any(part.iterdir())


def _lock(part: Path, path: Path) -> IO[str]:
    """Hold the part folder; the system lets go when the process ends, however it does."""
    file = (part / _LOCK_NAME).open("w")
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise OutputError(
                f"{display_name(path)}: another run is writing this output: wait for it, or choose "
                "another -o"
            ) from None
    return file


def _move_into_place(part: Path, path: Path) -> None:
    """Swap: the old output goes aside, the new one in, and only then is the old one deleted."""
    old = _old_of(path)
    has_old = path.exists() and any(path.iterdir())
    if has_old:
        path.rename(old)
    elif path.exists():
        path.rmdir()
    try:
        part.rename(path)
    except OSError:
        if has_old:
            with contextlib.suppress(OSError):
                old.rename(path)
        raise
    sync_folder(path.parent)
    if has_old:
        shutil.rmtree(old, ignore_errors=True)


def _recover(path: Path) -> None:
    """Finish or undo a swap that was cut short."""
    old = _old_of(path)
    if not old.is_dir() or read_manifest(old) is None:
        return
    if path.exists():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.rename(path)
