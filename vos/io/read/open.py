"""Choosing the reader for a path."""

from __future__ import annotations

import os

from vos.errors import InputError, UsageError
from vos.io.paths import absolute, as_pattern, unreadable
from vos.io.read.signatures import is_image_sequence, is_still
from vos.io.read.source import Decoder, Source


def open_source(path: str | os.PathLike[str], *, decoder: Decoder = "pyav") -> Source:
    """Open a video file, a still, a folder of stills or a glob of stills.

    decoder: for video files only. "decord" reproduces the pixels of the official SAM 2 loader.
    Raises InputError if there is nothing readable at `path`, UsageError for an unknown decoder or
    one that is not installed.
    """
    if decoder not in ("pyav", "decord"):
        raise UsageError(f"decoder {decoder!r} is unknown; use 'pyav' (default) or 'decord'")
    from vos.io.read.images import STILL_SUFFIXES, ImageSource  # Pillow loads slowly

    text = os.fspath(path)
    if not text:
        raise InputError("'': the input is an empty name; give a video, a folder or a glob")
    where = absolute(text)
    try:
        if where.is_dir():
            return ImageSource.from_folder(where)
        if as_pattern(text) is not None:
            return ImageSource.from_glob(text)
    except OSError as error:
        raise unreadable(where, error) from None
    is_named_still = where.suffix.lower() in STILL_SUFFIXES and not is_image_sequence(where)
    if is_named_still or is_still(where):
        return ImageSource.from_file(where)
    if decoder == "decord":
        from vos.io.read.decord import DecordSource  # an optional dependency

        return DecordSource(where)
    from vos.io.read.container import ContainerSource  # FFmpeg loads slowly

    return ContainerSource(where)
