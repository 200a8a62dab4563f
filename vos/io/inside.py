"""The one rule for what lies inside an output: it is reached through no link.

Outputs are handed on and unpacked from archives, so a link in one may lead anywhere. Whatever vos
creates, moves, deletes or opens for writing inside a folder goes through `Inside`: each step is
opened relative to the descriptor of the one before it. Where the system has no such descriptors
(Windows), the path is checked before each operation instead.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from vos.errors import OutputError
from vos.io.disk import sync_folder
from vos.io.paths import display_name

_HAS_DESCRIPTORS = {os.open, os.mkdir, os.rename, os.unlink, os.stat} <= os.supports_dir_fd
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_BLOCK_BYTES = 2**20
_BEING_WRITTEN = re.compile(r"\.[0-9a-f]{16}\.tmp")


class Inside:
    """A folder in which nothing is reached through a link.

    root: the folder, which the user named and which may itself be reached through links.

    Places are paths inside it, absolute or relative to it, never to the current folder. Every
    method raises OutputError where a part of a place is a link or leads outside; what the system
    refuses stays an OSError.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def open(self, place: Path | str, flags: int) -> int:
        """Open a file and return its descriptor; a link in its place is refused."""
        with self._parent(place) as (folder, name):
            if not _NO_FOLLOW:
                self._refuse_link(name, folder, place)
            try:
                return os.open(name, flags | _NO_FOLLOW, 0o666, dir_fd=folder)
            except OSError:
                self._refuse_link(name, folder, place)
                raise

    def make_folder(self, place: Path | str, *, is_new: bool = False) -> None:
        """Make a folder and those it lies in. is_new: fail where it is there already."""
        with self._parent(place, make=True) as (folder, name):
            try:
                os.mkdir(name, dir_fd=folder)
            except FileExistsError:
                self._refuse_link(name, folder, place)
                if is_new or not stat.S_ISDIR(_lstat(name, folder).st_mode):
                    raise

    def write(self, place: Path | str, data: bytes) -> None:
        """Write a file, flush it to the disk and move it into place; a link there is replaced."""
        with self._parent(place) as (folder, name):
            temporary = str(Path(name).with_name(f".{secrets.token_hex(8)}.tmp"))
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW
            try:
                with os.fdopen(os.open(temporary, flags, 0o666, dir_fd=folder), "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise

    def half_written(self, place: Path | str = ".") -> list[Path]:
        """List the files directly in a folder that a `write` which was ended has left."""
        folder = self.root / place
        if folder != self.root:
            check_inside(self.root, folder)
        with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
            return [
                folder / entry.name
                for entry in entries
                if _BEING_WRITTEN.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
            ]
        return []

    def move(self, source: Path | str, target: Path | str) -> None:
        """Move a file or folder; a file or link at `target` is replaced, never followed."""
        with (
            self._parent(source) as (source_folder, source_name),
            self._parent(target, make=True) as (target_folder, target_name),
        ):
            os.replace(source_name, target_name, src_dir_fd=source_folder, dst_dir_fd=target_folder)

    def link(self, source: Path | str, target: Path | str) -> None:
        """Have a file's content at a second place, by a hard link where the file system has them.

        That will do for files that are replaced and never written into.
        """
        with (
            self._parent(source) as (source_folder, source_name),
            self._parent(target, make=True) as (target_folder, target_name),
        ):
            try:
                os.link(
                    source_name,
                    target_name,
                    src_dir_fd=source_folder,
                    dst_dir_fd=target_folder,
                    follow_symlinks=False,
                )
                return
            except (OSError, NotImplementedError):
                self._refuse_link(source_name, source_folder, source)
            reading, new = os.O_RDONLY | _NO_FOLLOW, os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with (
                os.fdopen(os.open(source_name, reading, dir_fd=source_folder), "rb") as old,
                os.fdopen(os.open(target_name, new, 0o666, dir_fd=target_folder), "wb") as copy,
            ):
                shutil.copyfileobj(old, copy, _BLOCK_BYTES)

    def remove(self, place: Path | str) -> None:
        """Delete a file, a link (not what it leads to) or a folder with all it holds, if there."""
        with contextlib.suppress(FileNotFoundError), self._parent(place) as (folder, name):
            if stat.S_ISDIR(_lstat(name, folder).st_mode):
                shutil.rmtree(name, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)

    def files(self, place: Path | str = ".") -> list[Path]:
        """List the files under a folder, as paths relative to it. Links in it are refused."""
        start = self.root / place
        found: list[Path] = []
        folders = [start]
        while folders:
            folder = folders.pop()
            check_inside(self.root, folder)
            with os.scandir(folder) as entries:
                for entry in entries:
                    path = folder / entry.name
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(path)
                    elif entry.is_file(follow_symlinks=False):
                        found.append(path.relative_to(start))
                    else:
                        raise _is_link(path)
        return sorted(found)

    def sync(self, place: Path | str) -> None:
        """Make everything in a folder survive a power cut."""
        folder = self.root / place
        folders = {folder}
        for file in self.files(place):
            handle = self.open(folder / file, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
            folders.update((folder / file).parents)
        for one in folders:
            if one == folder or folder in one.parents:
                sync_folder(one)

    @contextlib.contextmanager
    def _parent(self, place: Path | str, *, make: bool = False) -> Iterator[tuple[int | None, str]]:
        """Open the folder that holds `place`; yield its descriptor and the last part of the name.

        Without descriptors: None and the whole path.
        """
        path = self.root / place
        try:
            parts = path.relative_to(self.root).parts
        except ValueError:
            parts = ()
        if not parts or ".." in parts:
            raise _is_outside(path, self.root)
        if not _HAS_DESCRIPTORS:
            check_inside(self.root, path.parent)
            if make:
                path.parent.mkdir(parents=True, exist_ok=True)
            yield None, str(path)
            return
        handle = os.open(self.root, _FOLDER)
        try:
            for depth, part in enumerate(parts[:-1], start=1):
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, dir_fd=handle)
                try:
                    deeper = os.open(part, _FOLDER | _NO_FOLLOW, dir_fd=handle)
                except OSError:
                    self._refuse_link(part, handle, Path(*parts[:depth]))
                    raise
                os.close(handle)
                handle = deeper
            yield handle, parts[-1]
        finally:
            os.close(handle)

    def _refuse_link(self, name: str, folder: int | None, place: Path | str) -> None:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISLNK(_lstat(name, folder).st_mode):
                raise _is_link(self.root / place)


def check_inside(root: Path, path: Path) -> None:
    """Raise OutputError if `path`, below `root`, is or goes through a symbolic link."""
    for place in (path, *path.parents):
        if place == root:
            return
        if place.is_symlink():
            raise _is_link(place)
    raise _is_outside(path, root)


def is_real_folder(path: Path) -> bool:
    """Tell whether a folder, and no link to one, is at `path`."""
    return path.is_dir() and not path.is_symlink()


def _lstat(name: str, folder: int | None) -> os.stat_result:
    return os.stat(name, dir_fd=folder, follow_symlinks=False)


def _is_link(path: Path) -> OutputError:
    return OutputError(
        f"{display_name(path)}: is a link or no file, and nothing is written through those inside "
        "an output: remove it"
    )


def _is_outside(path: Path, root: Path) -> OutputError:
    return OutputError(
        f"{display_name(path)}: is not inside {display_name(root)}; choose another name"
    )
