"""The output folder, which is there complete or not at all.

Everything is written to a hidden folder beside it (`.NAME.part`), the manifest last, and moved
into place in one rename. A run that ends early leaves its part folder for an equal run to continue
from the last checkpoint; where it had saved none, nothing stays.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from vos.errors import OtherOutputError, OutputError, Parameter
from vos.io.closing import Closing
from vos.io.disk import output_errors, sync_folder
from vos.io.inside import Inside
from vos.io.paths import display_name
from vos.io.results.checkpoints import Checkpoint, CheckpointStore
from vos.io.results.fingerprint import is_by_ends
from vos.io.results.manifest import (
    LOCK_NAME,
    MANIFEST_NAME,
    Fingerprint,
    inventory,
    is_identity,
    manifest_text,
    read_manifest,
    versions,
)
from vos.io.results.part import empty_part, locate_part, make_part, remove_part
from vos.io.results.place import is_done
from vos.io.results.swap import WORK_NAME, locate_old, recover_swap, swap_in

IDENTITY, STATE, SOURCE = "identity", "state", "source"
"""What the header of a checkpoint holds."""

_HARMLESS_VERSION = "python"

FitsOn = Callable[[Sequence[str], Mapping[str, Any], Mapping[str, Any]], bool]
"""Tells whether a run can go on from a checkpoint of one with other settings.

It is given the names of what differs, the identity of that run and the saved state.
"""


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
    is_known_by_ends: what is there was made by an older vos, which knew the input by the ends of
        its files alone, and by those it is the same.
    """

    def __init__(
        self,
        path: Path,
        fingerprint: Fingerprint,
        source: Path | None,
        *,
        is_complete: bool,
        lock: int | None,
        overwrite: bool = False,
        fits_on: FitsOn | None = None,
        droppable: Collection[str] = (),
    ) -> None:
        self.path = path
        self.part = locate_part(path)
        self.work = self.part / WORK_NAME
        self.is_complete = is_complete
        self.saved: list[Checkpoint] = []
        self.damaged = 0
        self.is_known_by_ends = False
        self._fingerprint = fingerprint
        self._source = None if source is None else _make_relative(path, source)
        self._lock = lock
        self._overwrite = overwrite
        self._fits_on = fits_on
        self._droppable = frozenset(droppable)
        self._is_open = not is_complete
        self._store = self._open_store()
        self._has_saved = False

    @classmethod
    def open(
        cls,
        path: Path,
        fingerprint: Fingerprint,
        *,
        source: Path | None = None,
        overwrite: bool = False,
        fits_on: FitsOn | None = None,
        droppable: Collection[str] = (),
    ) -> Self:
        """Look at what is there and, unless it is complete, make the part folder.

        source: the input's absolute path, to be noted.
        fits_on: lets an interrupted run with other settings be gone on from; older checkpoints are
            kept then, to go back to.
        droppable: settings that an interrupted run may have had otherwise and is begun anew for.

        Nothing that was at `path` is touched before `commit`, with `overwrite` either.

        Raises OutputError: `path` is a file, or holds files that are not ours, or an output made
        with other parameters or damaged, or an interrupted run did so (without `overwrite`);
        another run is writing it; the place is not writable or full.
        """
        with output_errors(path):
            path = path.resolve()
            if not path.name:
                raise OutputError(f"{path}: is the root of the disk: choose another -o")
            while True:
                if is_done(path, fingerprint, overwrite=overwrite):
                    _finish_swap(path)
                    output = cls(path, fingerprint, source, is_complete=True, lock=None)
                    output.is_known_by_ends = _is_known_by_ends(read_manifest(path))
                    return output
                path.parent.mkdir(parents=True, exist_ok=True)
                held = make_part(path)
                if held is not None:
                    break  # else the run that held the folder has just moved it into place
            lock, is_new = held
            output = cls(
                path,
                fingerprint,
                source,
                is_complete=False,
                lock=lock,
                overwrite=overwrite,
                fits_on=fits_on,
                droppable=droppable,
            )
            try:
                recover_swap(path)
                if is_done(path, fingerprint, overwrite=overwrite):
                    output.is_complete, output._is_open = True, False
                    output._let_go(is_new=is_new)
                else:
                    output._resume(overwrite=overwrite)
            except BaseException:
                output._let_go(is_new=is_new)
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
        differences = self._differences(self.saved[0].header[IDENTITY])
        self.saved = [one for one in self.saved if self._is_usable(one)]
        if not self.saved:
            if not overwrite and not self._droppable.issuperset(differences):
                raise OtherOutputError(
                    f"{display_name(self.path)}: an interrupted run with other settings "
                    f"({', '.join(differences)}) is half done there: give ",
                    Parameter("overwrite"),
                    " to drop it, or choose another ",
                    Parameter("output"),
                )
            self.restart()
            return
        self.is_known_by_ends = _is_known_by_ends(self.saved[0].header[IDENTITY])
        self.saved = [Checkpoint(one.header[STATE], one.parts, one.number) for one in self.saved]

    def _is_usable(self, saved: Checkpoint) -> bool:
        """Tell whether this run can go on from a checkpoint."""
        identity = saved.header[IDENTITY]
        differences = self._differences(identity)
        if not differences:
            return True
        return self._fits_on is not None and self._fits_on(
            differences, identity, saved.header[STATE]
        )

    def _open_store(self) -> CheckpointStore:
        return CheckpointStore(self.work, keeps_older=self._fits_on is not None)

    def continue_from(self, saved: Checkpoint) -> None:
        """Forget the checkpoints after this one of `saved`: their files are written anew."""
        self._store.drop_after(saved.number)

    def restart(self) -> None:
        """Forget what an earlier run left."""
        with output_errors(self.path):
            empty_part(self.part)
            Inside(self.part).make_folder(WORK_NAME)
            sync_folder(self.path.parent)
        self.saved, self._has_saved = [], False
        self._store = self._open_store()

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
            Inside(self.part).write(MANIFEST_NAME, text.encode())
            self._move_into_place()

    def _finish(self) -> None:
        """Leave without a result: the part folder stays only if it can be resumed."""
        self._let_go(is_new=not self._has_saved)

    def _let_go(self, *, is_new: bool) -> None:
        """Leave the part folder to others; delete it first where it holds nothing to resume."""
        if self._lock is None:
            return
        lock, self._lock = self._lock, None
        try:
            if is_new:
                with contextlib.suppress(OSError, OutputError):
                    remove_part(self.part)
        finally:
            os.close(lock)
        if is_new:
            with contextlib.suppress(OSError):  # NFS keeps a deleted file until it is closed
                self.part.rmdir()

    def _move_into_place(self) -> None:
        """Swap the new output in. The lock is held until it has its name, so that no other run
        takes the part folder in between.
        """
        is_done(self.path, self._fingerprint, overwrite=self._overwrite)  # refuses what came since
        sync_folder(self.part)
        Inside(self.part).remove(WORK_NAME)
        if sys.platform == "win32":  # a folder with an open file cannot be renamed there
            self._unlock(self.part)
        swap_in(self.part, self.path)
        self._is_open = False
        self._unlock(self.path)

    def _unlock(self, folder: Path) -> None:
        if self._lock is not None:
            Inside(folder).remove(LOCK_NAME)
            os.close(self._lock)
            self._lock = None


def _is_known_by_ends(manifest: Mapping[str, Any] | None) -> bool:
    return manifest is not None and is_by_ends(manifest["input"])


def _make_relative(path: Path, source: Path) -> str:
    """Write the source's path relative to the output's, so that both may be moved together.

    On another drive it stays absolute.
    """
    try:
        return os.path.relpath(source, path)
    except ValueError:
        return str(source)


def _finish_swap(path: Path) -> None:
    """Delete what a killed run left beside or in a complete output, where that can be done."""
    is_locked_inside = (path / LOCK_NAME).exists()
    if not is_locked_inside and not os.path.lexists(locate_old(path)):
        return
    with contextlib.suppress(OSError, OutputError):
        held = make_part(path)
        if held is None:
            return
        lock, is_new = held
        try:
            Inside(path).remove(LOCK_NAME)
            recover_swap(path)
        finally:
            if is_new:
                remove_part(locate_part(path))
            os.close(lock)
