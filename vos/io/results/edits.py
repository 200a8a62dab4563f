"""Changes to a finished result that happen altogether or not at all, and can be taken back.

A change is prepared in the result's folder `history/NNNN.part`: `new/` holds the files to come,
`old/` links to those they replace. Once both are safe on the disk the folder is renamed to
`history/NNNN`: from then on the change holds, and `recover` finishes moving the files if the
process that did so was ended. Before that, `recover` drops it. Taking a change back is a change of
the same kind (`history/undo-NNNN`), whose new files are the old ones.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from vos.errors import BusyError
from vos.io.disk import output_errors, sync_folder, take_lock, write_atomic
from vos.io.paths import display_name
from vos.io.results.manifest import MANIFEST_NAME

HISTORY_NAME = "history"
_EDIT = re.compile(r"\d{4,}", re.ASCII)
_UNDO = "undo-"
_PART = ".part"
_NEW, _OLD = "new", "old"


class EditStore:
    """The changes of one result, in the `history` folder inside it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._history = path / HISTORY_NAME

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
            new.mkdir(parents=True)
        return new

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """Make a folder that goes, whatever happens. Raises OutputError."""
        folder = self._part("scratch")
        with output_errors(folder):
            folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            self._tidy()

    def drop(self, number: int) -> None:
        """Forget a change that was begun."""
        shutil.rmtree(self._part(f"{number:04d}"), ignore_errors=True)
        self._tidy()

    def commit(self, number: int) -> None:
        """Make the change that was begun. Raises OutputError; nothing has changed then."""
        part = self._part(f"{number:04d}")
        try:
            with output_errors(self._path):
                for file in _files(part / _NEW):
                    place = file.relative_to(part / _NEW)
                    _keep(self._path / place, part / _OLD / place)
                self._make_hold(part)
        except BaseException:
            self.drop(number)
            raise
        self._recover()

    def undo(self, number: int, manifest: bytes) -> None:
        """Put back the files that change `number` replaced, except the manifest.

        manifest: the new one's content. Raises OutputError; nothing has changed then.
        """
        part = self._part(f"{_UNDO}{number:04d}")
        old = self._history / f"{number:04d}" / _OLD
        with output_errors(self._path):
            shutil.rmtree(part, ignore_errors=True)
            for file in _files(old):
                if file.name != MANIFEST_NAME:
                    _keep(file, part / _NEW / file.relative_to(old))
            write_atomic(part / _NEW / MANIFEST_NAME, manifest)
            self._make_hold(part)
        self._recover()

    def _part(self, name: str) -> Path:
        return self._history / f"{name}{_PART}"

    def _make_hold(self, part: Path) -> None:
        _sync(part)
        part.rename(part.with_suffix(""))
        sync_folder(self._history)
        sync_folder(self._path)

    def _has_unfinished(self) -> bool:
        if not self._history.is_dir():
            return False
        return any(
            entry.name.endswith(_PART)
            or entry.name.startswith(_UNDO)
            or (_EDIT.fullmatch(entry.name) is not None and (entry / _NEW).exists())
            for entry in self._history.iterdir()
        )

    def _recover(self) -> None:
        if not self._has_unfinished():
            return
        with output_errors(self._path):
            for entry in sorted(self._history.iterdir()):
                if entry.name.endswith(_PART):
                    shutil.rmtree(entry)
                elif entry.name.startswith(_UNDO):
                    self._move_into_place(entry / _NEW)
                    edit = self._history / entry.name.removeprefix(_UNDO)
                    if edit.exists():
                        shutil.rmtree(edit)
                    shutil.rmtree(entry)
                elif _EDIT.fullmatch(entry.name) and (entry / _NEW).exists():
                    self._move_into_place(entry / _NEW)
                    shutil.rmtree(entry / _NEW)
            sync_folder(self._history)
            self._tidy()

    def _move_into_place(self, new: Path) -> None:
        """Move the files, the manifest last: what it says is then true."""
        if not new.exists():
            return
        files = sorted(_files(new), key=lambda file: (file == new / MANIFEST_NAME, file))
        for file in files:
            file.replace(self._path / file.relative_to(new))
        for folder in {(self._path / file.relative_to(new)).parent for file in files}:
            sync_folder(folder)

    def _tidy(self) -> None:
        with contextlib.suppress(OSError):  # it holds other changes
            self._history.rmdir()


def _keep(file: Path, place: Path) -> None:
    """Have the file's content at a second place.

    Files are replaced, never written into, so a link does, where the file system has links.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, place)
    except OSError:
        shutil.copy2(file, place)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []


def _sync(folder: Path) -> None:
    """Make everything in a folder survive a power cut."""
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
