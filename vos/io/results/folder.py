"""The output folder, which is there complete or not at all.

Everything is written to a hidden folder beside it (`.NAME.part`), the manifest last, and moved
into place in one rename. A run that ends early leaves its part folder for an equal run to continue
from the last checkpoint; where it had saved none, nothing stays.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

from vos.errors import BusyError, OtherOutputError, OutputError, Parameter
from vos.io.closing import Closing
from vos.io.disk import output_errors, sync_folder, take_lock, write_atomic
from vos.io.paths import display_name
from vos.io.results.checkpoints import Checkpoint, CheckpointStore
from vos.io.results.manifest import (
    MANIFEST_NAME,
    Fingerprint,
    edits_in_force,
    inventory,
    is_identity,
    manifest_text,
    read_manifest,
    versions,
)

LOCK_NAME = ".lock"
WORK_NAME = ".resume"
IDENTITY, STATE, SOURCE = "identity", "state", "source"
"""What the header of a checkpoint holds."""

_HARMLESS_VERSION = "python"


def is_saved_run(checkpoint: Checkpoint) -> bool:
    """Tell whether a checkpoint says what was tracked, and holds the state of a run."""
    header = checkpoint.header
    state = header.get(STATE)
    return (
        is_identity(header.get(IDENTITY))
        and isinstance(header.get(SOURCE), str | None)
        and isinstance(state, dict)
        and isinstance(state.get("values"), dict)
    )


class OutputFolder(Closing):
    """The output of one run. Made with `open`; a context manager.

    path: where the finished output is, or will be.
    part: the folder to write to until `commit`; absent when `is_complete`.
    work: folder inside it for what only a continued run needs; not part of the output.
    is_complete: the output is already there, made by an equal run: there is nothing to do.
    saved: what an equal run saved before it was interrupted, newest first.
    damaged: how many of its checkpoints cannot be read.
    """

    def __init__(
        self,
        path: Path,
        fingerprint: Fingerprint,
        source: Path | None,
        *,
        is_complete: bool,
        lock: IO[str] | None,
    ) -> None:
        self.path = path
        self.part = locate_part(path)
        self.work = self.part / WORK_NAME
        self.is_complete = is_complete
        self.saved: list[Checkpoint] = []
        self.damaged = 0
        self._fingerprint = fingerprint
        self._source = None if source is None else _make_relative(path, source)
        self._lock = lock
        self._is_open = not is_complete
        self._store = CheckpointStore(self.work)
        self._has_saved = False

    @classmethod
    def open(
        cls,
        path: Path,
        fingerprint: Fingerprint,
        *,
        source: Path | None = None,
        overwrite: bool = False,
    ) -> Self:
        """Look at what is there and, unless it is complete, make the part folder.

        source: the input's absolute path, to be noted.

        Nothing that was at `path` is touched before `commit`, with `overwrite` either.

        Raises OutputError: `path` is a file, or holds files that are not ours, or an output made
        with other parameters or damaged, or an interrupted run did so (without `overwrite`);
        another run is writing it; the place is not writable or full.
        """
        with output_errors(path):
            path = path.resolve()
            if not path.name:
                raise OutputError(f"{path}: is the root of the disk: choose another -o")
            _recover(path)
            if _is_done(path, fingerprint, overwrite=overwrite):
                return cls(path, fingerprint, source, is_complete=True, lock=None)
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = _make_part(locate_part(path), path)
            output = cls(path, fingerprint, source, is_complete=False, lock=lock)
            try:
                output._resume(overwrite=overwrite)
            except BaseException:
                lock.close()
                raise
        return output

    def _resume(self, *, overwrite: bool) -> None:
        """Read what an earlier run left in the part folder."""
        manifest = read_manifest(self.part)
        if manifest is not None and not self._fingerprint.differences(manifest):
            self._move_into_place()  # it was ended between its last two steps
            self.is_complete = True
            return
        self.saved, self.damaged = self._store.load(is_saved_run)
        if not self.saved:
            self.restart()
            return
        self._has_saved = True
        if differences := self._differences(self.saved[0].header[IDENTITY]):
            if not overwrite:
                raise OtherOutputError(
                    f"{display_name(self.path)}: an interrupted run with other settings "
                    f"({', '.join(differences)}) is half done there: give ",
                    Parameter("overwrite"),
                    " to drop it, or choose another ",
                    Parameter("output"),
                )
            self.restart()
            return
        self.saved = [Checkpoint(one.header[STATE], one.parts) for one in self.saved]

    def restart(self) -> None:
        """Forget what an earlier run left."""
        with output_errors(self.path):
            _empty(self.part)
            self.work.mkdir()
            sync_folder(self.path.parent)
        self.saved, self._has_saved = [], False
        self._store = CheckpointStore(self.work)

    @property
    def is_resumable(self) -> bool:
        """Tell whether an equal run can continue from a checkpoint."""
        return self._has_saved

    def save(self, state: Mapping[str, Any], parts: Mapping[str, bytes]) -> int:
        """Save where the run is, once its files are safe; return the bytes written.

        From now on the part folder stays when the run ends early. Raises OutputError.
        """
        sync_folder(self.part)
        header = {IDENTITY: self._identity(), SOURCE: self._source, STATE: state}
        size = self._store.write(Checkpoint(header, parts))
        self._has_saved = True
        return size

    def _identity(self) -> dict[str, Any]:
        return {**self._fingerprint.as_json(), "versions": versions()}

    def _differences(self, identity: Mapping[str, Any]) -> list[str]:
        """List the settings, and the packages, that differ from an interrupted run's."""
        mine, theirs = versions(), identity["versions"]
        names = {*mine, *theirs} - {_HARMLESS_VERSION}
        changed = sorted(name for name in names if mine.get(name) != theirs.get(name))
        return [*self._fingerprint.differences(identity), *(f"{name} version" for name in changed)]

    def commit(
        self,
        *,
        frame_count: int,
        warnings: Sequence[str] = (),
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the manifest and move everything into place. Call it after the sinks are closed.

        more: JSON values by name, for the manifest.

        Raises OutputError; what was there before is still there then.
        """
        if not self._is_open:
            raise ValueError("this output is already over")
        with output_errors(self.path):
            files = inventory(self.part)
            for name in (LOCK_NAME, WORK_NAME):
                files.pop(name, None)
            text = manifest_text(
                self._fingerprint,
                frame_count=frame_count,
                warnings=warnings,
                files=files,
                source=self._source,
                more=more,
            )
            write_atomic(self.part / MANIFEST_NAME, text.encode())
            self._move_into_place()

    def _finish(self) -> None:
        """Leave without a result: the part folder stays only if it can be resumed."""
        if self._has_saved:
            if self._lock is not None:
                self._lock.close()
            return
        with contextlib.suppress(OSError):
            _empty(self.part)
            self._unlock()
            self.part.rmdir()

    def _move_into_place(self) -> None:
        sync_folder(self.part)
        shutil.rmtree(self.work, ignore_errors=True)
        self._unlock()
        sync_folder(self.part)
        _move_into_place(self.part, self.path)
        self._is_open = False

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
            (self.part / LOCK_NAME).unlink(missing_ok=True)


def locate_part(path: Path) -> Path:
    """Return where the output for `path` is while it is being made."""
    return path.with_name(f".{path.name}.part")


def discard_part(path: Path) -> None:
    """Delete what a run that ended early left for the output at `path`, where it left anything.

    Raises OutputError, BusyError if a run is at it.
    """
    part = locate_part(path)
    with output_errors(path):
        if part.is_dir() and _is_leftover(part):
            lock = _lock(part, path)
            _empty(part)
            lock.close()
            (part / LOCK_NAME).unlink()
            part.rmdir()


def _locate_old(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def _is_done(path: Path, fingerprint: Fingerprint, *, overwrite: bool) -> bool:
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
        _refuse_to_lose_edits(path)
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


def _refuse_to_lose_edits(path: Path) -> None:
    manifest = read_manifest(path)
    if manifest is not None and (edits := edits_in_force(manifest)):
        raise OutputError(
            f"{display_name(path)}: holds corrections ({len(edits)} by `vos fix`), and they are "
            "never replaced: choose another ",
            Parameter("output"),
            f", or take them back with `vos fix {display_name(path)} --undo`",
        )


def _make_relative(path: Path, source: Path) -> str:
    """Write the source's path relative to the output's, so that both may be moved together.

    On another drive it stays absolute.
    """
    try:
        return os.path.relpath(source, path)
    except ValueError:
        return str(source)


def _make_part(part: Path, path: Path) -> IO[str]:
    """Make the part folder, or take an earlier run's; lock it and return the lock."""
    if part.exists():
        if not _is_leftover(part):
            raise OutputError(
                f"{display_name(part)}: is in the way and was not left by vos: move it, or choose "
                "another -o"
            )
    else:
        part.mkdir()
    return _lock(part, path)


def _empty(part: Path) -> None:
    """Delete all but the lock, which marks the folder as ours for as long as it holds anything."""
    for entry in part.iterdir():
        if entry.name == LOCK_NAME:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _is_leftover(part: Path) -> bool:
    if not part.is_dir() or part.is_symlink():
        return False
    is_ours = (part / LOCK_NAME).exists() or read_manifest(part) is not None
    return is_ours or not any(part.iterdir())


def _lock(part: Path, path: Path) -> IO[str]:
    """Hold the part folder; the system lets go when the process ends, however it does."""
    file = (part / LOCK_NAME).open("w")
    if not take_lock(file):
        file.close()
        raise BusyError(
            f"{display_name(path)}: another run is writing this output: wait for it, or choose "
            "another -o"
        )
    return file


def _move_into_place(part: Path, path: Path) -> None:
    """Swap: the old output goes aside, the new one in, and only then is the old one deleted."""
    old = _locate_old(path)
    has_old = path.exists() and any(path.iterdir())
    if has_old:
        _refuse_to_lose_edits(path)  # made while this run was under way
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
    old = _locate_old(path)
    if not old.is_dir() or read_manifest(old) is None:
        return
    if path.exists():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.rename(path)
