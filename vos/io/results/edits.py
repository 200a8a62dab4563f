"""Changes to a finished result that happen altogether or not at all, and can be taken back.

A change is prepared in the result's folder `history/NNNN.part`: `new/` holds the files to come,
`old/` links to those they replace, and `added/` empty files for those that replace none. Once all
are safe on the disk the folder is renamed to `history/NNNN`: from then on the change holds, and
`recover` finishes moving the files if the process that did so was ended. Before that, `recover`
drops it. Taking a change back is a change of the same kind (`history/undo-NNNN`), whose new files
are the old ones; the files in its `gone/` go.

A result may come from a stranger: nothing in it is reached through links, only folders named as
these are touched, and who only looks (`locate`) changes nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from vos.errors import BusyError, OutputError
from vos.io.disk import output_errors, sync_folder, take_lock
from vos.io.inside import Inside, check_inside, is_real_folder
from vos.io.paths import display_name
from vos.io.results.manifest import MANIFEST_NAME

HISTORY_NAME = "history"
_EDIT = re.compile(r"\d{4,}", re.ASCII)
_UNDO = "undo-"
_UNDOING = re.compile(r"undo-\d{4,}", re.ASCII)
_BEGUN = re.compile(r"(\d{4,}|undo-\d{4,}|scratch)\.part", re.ASCII)
_PART = ".part"
_NEW, _OLD, _ADDED, _GONE = "new", "old", "added", "gone"


class EditStore:
    """The changes of one result, in the `history` folder inside it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._history = path / HISTORY_NAME
        self._inside = Inside(path)

    def locate(self, name: str) -> Path:
        """Return where a file of the result is, for looking at.

        A change that was cut short after it was made holds already, though not all of its files
        are in their places.
        """
        for change in self._made():
            file = change / _NEW / name
            if (change / _GONE / name).is_file():
                return file  # where nothing is
            if is_real_folder(change / _NEW) and file.is_file() and not file.is_symlink():
                return file
        return self._path / name

    def before(self, number: int, name: str) -> Path | None:
        """Return where a file of the result is as it was before a change, for looking at.

        None where that change did not replace it, or is none.
        """
        old = self._history / f"{number:04d}" / _OLD
        file = old / name
        is_there = is_real_folder(old) and is_real_folder(file.parent) and file.is_file()
        return file if is_there and not file.is_symlink() else None

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Keep every other command from changing this result meanwhile.

        A change that was cut short is undone or finished first, as by `recover`. Raises BusyError.
        """
        if sys.platform == "win32":  # a folder cannot be opened there
            self._recover()
            yield
            return
        with output_errors(self._path):
            handle = os.open(self._path, os.O_RDONLY)
        try:
            if not take_lock(handle):
                raise BusyError(
                    f"{display_name(self._path)}: another command is correcting this result: wait "
                    "for it, or close it"
                )
            self._refuse_replaced(handle)
            self._recover()
            yield
        finally:
            os.close(handle)

    def recover(self) -> None:
        """Undo or finish what was cut short. Raises BusyError while another command is at it."""
        if self._has_unfinished():
            with self.holding():
                pass

    def begin(self, number: int) -> Path:
        """Make a folder for the files to come, each at the place of the one it replaces.

        Raises OutputError.
        """
        new = self._part(f"{number:04d}") / _NEW
        with output_errors(new):
            self._inside.make_folder(new, is_new=True)
        return new

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """Make a folder that goes, whatever happens. Raises OutputError."""
        folder = self._part("scratch")
        with output_errors(folder):
            self._inside.make_folder(folder, is_new=True)
        try:
            yield folder
        finally:
            self._remove(folder)
            self._tidy()

    def drop(self, number: int) -> None:
        """Forget a change that was begun."""
        self._remove(self._part(f"{number:04d}"))
        self._tidy()

    def commit(self, number: int) -> None:
        """Make the change that was begun. Raises OutputError; nothing has changed then."""
        part = self._part(f"{number:04d}")
        try:
            with output_errors(self._path):
                for file in self._inside.files(part / _NEW):
                    if os.path.lexists(self._path / file):
                        self._inside.link(file, part / _OLD / file)
                    else:
                        self._inside.make_folder((part / _ADDED / file).parent)
                        self._inside.write(part / _ADDED / file, b"")
                self._make_hold(part)
        except BaseException:
            self.drop(number)
            raise
        self._recover()

    def undo(self, number: int, manifest: bytes) -> None:
        """Put back the files that change `number` replaced, except the manifest.

        Those that it added go. manifest: the new one's content. Raises OutputError; nothing has
        changed then.
        """
        part = self._part(f"{_UNDO}{number:04d}")
        change = self._history / f"{number:04d}"
        old = change / _OLD
        with output_errors(self._path):
            self._inside.remove(part)
            self._inside.make_folder(part / _NEW)
            for file in self._inside.files(old):
                if file.name != MANIFEST_NAME:
                    self._inside.link(old / file, part / _NEW / file)
            for file in self._files_of(change / _ADDED):
                self._inside.link(change / _ADDED / file, part / _GONE / file)
            self._inside.write(part / _NEW / MANIFEST_NAME, manifest)
            self._make_hold(part)
        self._recover()

    def _part(self, name: str) -> Path:
        return self._history / f"{name}{_PART}"

    def _make_hold(self, part: Path) -> None:
        self._inside.sync(part)
        self._inside.move(part, part.with_suffix(""))
        sync_folder(self._history)
        sync_folder(self._path)

    def _made(self) -> list[Path]:
        """List the changes that hold and whose files are not all in their places yet."""
        return [
            entry
            for entry in self._entries()
            if _UNDOING.fullmatch(entry.name)
            or (_EDIT.fullmatch(entry.name) and os.path.lexists(entry / _NEW))
        ]

    def _entries(self) -> list[Path]:
        return sorted(self._history.iterdir()) if is_real_folder(self._history) else []

    def _has_unfinished(self) -> bool:
        return (
            bool(self._made())
            or any(_BEGUN.fullmatch(one.name) for one in self._entries())
            or bool(self._inside.half_written())
        )

    def _recover(self) -> None:
        check_inside(self._path, self._history)
        if not self._has_unfinished():
            return
        with output_errors(self._path):
            for file in self._inside.half_written():
                self._inside.remove(file)
            for entry in self._entries():
                if _BEGUN.fullmatch(entry.name):
                    self._inside.remove(entry)
            for entry in self._made():
                self._move_into_place(entry / _NEW)
                if _UNDOING.fullmatch(entry.name):
                    self._remove_from_place(self._files_of(entry / _GONE))
                    self._inside.remove(self._history / entry.name.removeprefix(_UNDO))
                    self._inside.remove(entry)
                else:
                    self._inside.remove(entry / _NEW)
            sync_folder(self._history)
            self._tidy()

    def _move_into_place(self, new: Path) -> None:
        """Move the files, the manifest last: what it says is then true."""
        if not os.path.lexists(new):
            return
        files = sorted(self._inside.files(new), key=lambda file: (str(file) == MANIFEST_NAME, file))
        for file in files:  # all are checked before any is moved
            check_inside(self._path, self._path / file)
        for file in files:
            self._inside.move(new / file, file)
        self._sync_folders_of(files)

    def _remove_from_place(self, files: list[Path]) -> None:
        """Delete the files, and the folders that held nothing else."""
        for file in files:
            self._inside.remove(file)
        parents = {parent for file in files for parent in file.parents if parent != Path()}
        for parent in sorted(parents, key=lambda one: len(one.parts), reverse=True):
            folder = self._path / parent
            if is_real_folder(folder) and not any(folder.iterdir()):
                self._inside.remove(parent)
        self._sync_folders_of(files)

    def _sync_folders_of(self, files: list[Path]) -> None:
        for parent in {parent for file in files for parent in file.parents}:
            if is_real_folder(self._path / parent):
                sync_folder(self._path / parent)

    def _files_of(self, folder: Path) -> list[Path]:
        return self._inside.files(folder) if os.path.lexists(folder) else []

    def _refuse_replaced(self, handle: int) -> None:
        """Refuse where a new output was moved here between opening the folder and locking it."""
        with output_errors(self._path):
            now, held = self._path.stat(), os.fstat(handle)
        if (now.st_dev, now.st_ino) != (held.st_dev, held.st_ino):
            raise BusyError(
                f"{display_name(self._path)}: was replaced meanwhile by another command; run this "
                "one again"
            )

    def _remove(self, folder: Path) -> None:
        """Delete what is not wanted any more; the next command deletes what stays."""
        with contextlib.suppress(OSError, OutputError):
            self._inside.remove(folder)

    def _tidy(self) -> None:
        with contextlib.suppress(OSError):  # it holds other changes
            self._history.rmdir()
