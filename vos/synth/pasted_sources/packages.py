"""Packages of images, unpacked into a folder; nothing is installed and nothing of them is run."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

FAILURES = (OSError, ValueError, subprocess.CalledProcessError)
"""What is raised where a package cannot be had."""


def unpack_debian(package: str, room: str) -> None:
    """Fetch a Debian package and unpack it into the folder `room`. Raises one of `FAILURES`."""
    _run("apt-get", "download", package, cwd=room)
    (archive,) = Path(room).glob("*.deb")
    _run("dpkg", "-x", archive.name, ".", cwd=room)


def unpack_npm(package: str, room: str) -> Path:
    """Fetch an npm package and unpack it; return its folder. Raises one of `FAILURES`."""
    _run("npm", "pack", package, cwd=room)
    (archive,) = Path(room).glob("*.tgz")
    with tarfile.open(archive) as opened:
        opened.extractall(room, filter="data")
    return Path(room, "package")


def _run(*command: str, cwd: str) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)
