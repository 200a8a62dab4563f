"""Writing files so that a full disk or a forbidden place is one clear line, never half a file."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from vos.errors import OutputError
from vos.io.paths import display_name

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_SHORTAGE = {errno.ENOMEM, errno.EAGAIN}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextlib.contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn an OSError (PyAV's included) met while writing `path` into an OutputError."""
    try:
        yield
    except OSError as error:
        if error.errno in _SHORTAGE:
            raise  # of memory or threads: the place is not to blame
        if error.errno in _FULL:
            problem = f"the disk is full ({_free(path)} left): free some, or choose another place"
        elif error.errno in _FORBIDDEN:
            problem = "not writable; this needs write permission: give it, or choose another place"
        elif error.errno in (errno.ENOTDIR, errno.EEXIST):
            problem = "a file is in the way of a folder: move it, or choose another place"
        elif error.errno == errno.ENAMETOOLONG:
            problem = "the name is too long for this file system: choose a shorter one"
        else:
            problem = f"cannot write ({error.strerror or error}): choose another place"
        raise OutputError(f"{display_name(path)}: {problem}") from error


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` beside `path`, flush it to the disk, then move it into place.

    Raises OutputError when that fails; an older `path` is untouched then.
    """
    with output_errors(path):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            umask = os.umask(0)
            os.umask(umask)
            Path(temporary).chmod(0o666 & ~umask)  # mkstemp makes private files
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(temporary).unlink(missing_ok=True)
            raise


def take_lock(file: int | IO[str], *, is_shared: bool = False) -> bool:
    """Try to lock an open file, or its descriptor, against other processes; never wait.

    Returns whether the lock is held. It goes when the file is closed or the process ends, however
    it does. On Windows, which has no `fcntl`, nothing is locked and True is returned.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sync_folder(path: Path) -> None:
    """Make renames inside `path` survive a power cut, where the system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _free(path: Path) -> str:
    for folder in (path, *path.parents):
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(folder).free
            return f"{free / 1e6:.1f} MB" if free < 1e9 else f"{free / 1e9:.1f} GB"
    return "unknown space"
