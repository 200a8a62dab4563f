"""Weight files as bytes: their checksum, and whether they are what was published. No torch."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from vos.errors import CheckpointError
from vos.model.registry import ModelEntry, ResolvedModel


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file. Reads it once per process, and again when its size or time changed.

    Raises:
        CheckpointError: the file cannot be read.
    """
    try:
        state = path.stat()
        return _digest(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise unreadable(path, error) from error


@lru_cache(maxsize=8)
def _digest(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checked_sha256(resolved: ResolvedModel) -> str:
    """SHA-256 of the file to load; a registered model's is checked, a path's only computed.

    Raises:
        CheckpointError: as `verify`.
    """
    if resolved.entry is None:
        return sha256_of(resolved.path)
    return verify(resolved.entry, resolved.path)


def verify(entry: ModelEntry, path: Path) -> str:
    """Check a registered model's file against its published size and SHA-256.

    Returns: the file's SHA-256.

    Raises:
        CheckpointError: another size or checksum, or unreadable.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise unreadable(path, error) from error
    if entry.size_bytes is not None and size != entry.size_bytes:
        raise CheckpointError(
            f"{path}: {size} bytes, {entry.name} has {entry.size_bytes}; {_get_again(entry)}"
        )
    digest = sha256_of(path)
    if entry.sha256 is not None and digest != entry.sha256:
        raise CheckpointError(
            f"{path}: SHA-256 {digest[:12]}..., {entry.name} has {entry.sha256[:12]}...; "
            f"{_get_again(entry)}"
        )
    return digest


def _get_again(entry: ModelEntry) -> str:
    return f"delete the file and get it again with `vos models pull {entry.name}`"


def unreadable(path: Path, error: OSError) -> CheckpointError:
    """What to say of a weight file that the system does not let us read."""
    reason = error.strerror or type(error).__name__
    return CheckpointError(f"{path}: cannot be read ({reason}); check the path and permissions")
