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


def is_there(path: Path) -> bool:
    """Tell whether something is at `path`; nothing is where the system takes no such name."""
    try:
        return path.exists()
    except OSError:  # Path.exists lets through that a name is too long or a folder is closed
        return False


LONGEST_NAME_BYTES = 255
"""The most bytes of one file name that common file systems take."""


def check_name(name: object, what: str, *, spare_bytes: int = 0) -> str:
    """Return a name that comes from data if it can be the name of one file inside an output.

    what: what has this name, for the message, such as "video". spare_bytes: how many bytes more
    the name gets, by endings such as ".png".
    Raises InputError for a name with a separator or NUL, `.`, `..`, an empty or too long one.
    """
    if not isinstance(name, str):
        problem = "is no text"
    elif name in ("", ".", ".."):
        problem = "is no file name"
    elif "\0" in name or any(one in name for one in ("/", "\\", os.sep)):
        problem = "has a separator in it"
    elif len(name.encode("utf-8", "surrogatepass")) + spare_bytes > LONGEST_NAME_BYTES:
        problem = f"is over {LONGEST_NAME_BYTES - spare_bytes} bytes long"
    else:
        return name
    shown = repr(name if len(str(name)) <= 80 else f"{str(name)[:80]}...")
    raise InputError(
        f"{what} name {shown}: {problem}; it names one file inside the output: rename it"
    )


def require_readable_file(path: Path) -> None:
    """Raise InputError unless `path` is a regular, readable, non-empty file."""
    name = display_name(path)
    try:
        if not path.exists():
            raise InputError(f"{name}: no such file; check the spelling")
        if not path.is_file():
            if path.is_fifo() or path.is_char_device():
                raise InputError(
                    f"{name}: not a regular file but a pipe or device; vos reads files, there and "
                    f"back: save it first, for example `ffmpeg -i {name} -c copy clip.mkv`; "
                    f"`vos track - < {name}` takes it as it comes"
                )
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
