"""Packages of images, unpacked into a folder; nothing is installed and nothing of them is run."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Unpacked = TypeVar("Unpacked")

_FAILURES = (OSError, ValueError, subprocess.CalledProcessError)
"""What is raised where a package cannot be had."""


def fetch(
    package: str,
    what: str,
    unpack: Callable[[str, str], Unpacked],
    keep: Callable[[Unpacked], int],
) -> str:
    """Return what came of a package, in words.

    what: it holds, in the plural. unpack: is given the package and a folder that is gone later.
    keep: copies what is wanted from what `unpack` returned, and counts it.
    """
    with tempfile.TemporaryDirectory() as room:
        try:
            unpacked = unpack(package, room)
        except _FAILURES as error:
            return f"{package}: not fetched ({error})"
        return f"{package}: {keep(unpacked)} {what}"


def unpack_debian(package: str, room: str) -> Path:
    """Fetch a Debian package and unpack it into the folder `room`; return that."""
    _run("apt-get", "download", package, cwd=room)
    (archive,) = Path(room).glob("*.deb")
    _run("dpkg", "-x", archive.name, ".", cwd=room)
    return Path(room)


def unpack_npm(package: str, room: str) -> Path:
    """Fetch an npm package and unpack it in the folder `room`; return its own."""
    _run("npm", "pack", package, cwd=room)
    (archive,) = Path(room).glob("*.tgz")
    with tarfile.open(archive) as opened:
        opened.extractall(room, filter="data")
    return Path(room, "package")


def _run(*command: str, cwd: str) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)
