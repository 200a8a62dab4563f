"""File names as they appear in messages, and the checks every reader makes first."""

from __future__ import annotations

import os
from pathlib import Path

from vos.errors import InputError


def display_name(path: str | os.PathLike[str]) -> str:
    """Write `path` on one printable line: control characters and undecodable bytes are escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in os.fspath(path)
    )


def absolute(path: str | os.PathLike[str]) -> Path:
    """Make `path` absolute and keep its symbolic links.

    The result is safe for FFmpeg: it has no protocol and no leading dash.
    """
    return Path(os.path.abspath(path))  # noqa: PTH100  (Path.resolve would follow links)


def require_readable_file(path: Path) -> None:
    """Raise InputError unless `path` is a regular, readable, non-empty file."""
    name = display_name(path)
    try:
        if not path.exists():
            raise InputError(f"{name}: no such file; check the spelling")
        if not path.is_file():
            raise InputError(f"{name}: not a regular file; vos reads files, folders and globs")
        with path.open("rb") as file:
            if not file.read(1):
                raise InputError(f"{name}: the file is empty; copy or download it again")
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: OSError) -> InputError:
    """Make the one-line InputError for a path the operating system refuses to read."""
    reason = (error.strerror or type(error).__name__).lower()
    step = "check its permissions" if isinstance(error, PermissionError) else "check the path"
    return InputError(f"{display_name(path)}: cannot be read ({reason}); {step}")
