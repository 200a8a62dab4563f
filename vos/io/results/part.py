"""The part folder: where an output is while it is being made, held by one run at a time."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from vos.errors import BusyError, OutputError
from vos.io.disk import output_errors, take_lock
from vos.io.inside import Inside, is_real_folder
from vos.io.paths import display_name
from vos.io.results.manifest import LOCK_NAME, read_manifest


def locate_part(path: Path) -> Path:
    """Return where the output for `path` is while it is being made."""
    return path.with_name(f".{path.name}.part")


def discard_part(path: Path) -> None:
    """Delete what a run that ended early left for the output at `path`, where it left anything.

    Raises OutputError, BusyError if a run is at it.
    """
    part = locate_part(path)
    with output_errors(path):
        if not is_real_folder(part) or not _is_leftover(part):
            return
        lock = lock_part(part, path)
        if lock is None:
            return
        try:
            remove_part(part)
        finally:
            os.close(lock)


def make_part(path: Path) -> tuple[int, bool] | None:
    """Make the part folder, or take an earlier run's; lock it.

    Returns the lock's descriptor and whether the folder is new, None where another run moved the
    folder away meanwhile. Raises BusyError while another run is at it.
    """
    part = locate_part(path)
    is_new = not os.path.lexists(part)
    if is_new:
        with contextlib.suppress(FileExistsError):
            part.mkdir()
    elif not _is_leftover(part):
        if not os.path.lexists(part):
            return None
        raise OutputError(
            f"{display_name(part)}: is in the way and was not left by vos: move it, or choose "
            "another -o"
        )
    lock = lock_part(part, path)
    if lock is None:
        return None
    try:
        Inside(part).files()  # refuses links: an interrupted run is resumed by writing there
    except BaseException:
        os.close(lock)
        raise
    return lock, is_new


def empty_part(part: Path) -> None:
    """Delete all but the lock, which marks the folder as ours for as long as it holds anything."""
    inside = Inside(part)
    for entry in sorted(part.iterdir()):
        if entry.name != LOCK_NAME:
            inside.remove(entry)


def remove_part(part: Path) -> None:
    """Delete the part folder, whose lock is held."""
    empty_part(part)
    Inside(part).remove(LOCK_NAME)
    with contextlib.suppress(OSError):  # another run is in it already
        part.rmdir()


def _is_leftover(part: Path) -> bool:
    if not is_real_folder(part):
        return False
    try:
        names = os.listdir(part)  # noqa: PTH208  (one look: other runs come and go)
    except FileNotFoundError:
        return False
    return not names or LOCK_NAME in names or read_manifest(part) is not None


def lock_part(part: Path, path: Path) -> int | None:
    """Hold the part folder; the system lets go when the process ends, however it does.

    Returns a descriptor, None where the folder or its lock is another by now. Raises BusyError.
    """
    flags = os.O_RDWR | os.O_CREAT
    try:
        lock = Inside(part.parent).open(part / LOCK_NAME, flags)
    except FileNotFoundError:
        return None
    try:
        if not take_lock(lock):
            raise BusyError(
                f"{display_name(path)}: another run is writing this output: wait for it, or choose "
                "another -o"
            )
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), (part / LOCK_NAME).lstat()):
                return lock
    except BaseException:
        os.close(lock)
        raise
    os.close(lock)
    return None
