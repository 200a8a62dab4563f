"""Choosing the reader for a path."""

from __future__ import annotations

import os
from fractions import Fraction

from vos.errors import InputError, Parameter, UsageError
from vos.frame import Frame
from vos.io.paths import absolute, display_name, require_readable_file, unreadable
from vos.io.patterns import is_pattern
from vos.io.places import refuse_place
from vos.io.read.formats import (
    FOREIGN_SUFFIXES,
    STILL_SUFFIXES,
    conversion,
    describe_foreign,
)
from vos.io.read.signatures import is_image_sequence, is_still
from vos.io.read.source import Decoder, Source
from vos.io.timecode import parse_rate


def open_source(
    path: str | os.PathLike[str],
    *,
    decoder: Decoder = "pyav",
    rate: Fraction | float | str | None = None,
    is_exact: bool = False,
) -> Source:
    """Open a video file, a still, a folder of stills or a pattern of stills.

    decoder: for video files only. "decord" reproduces the pixels of the official SAM 2 loader.
    rate: frames per second of stills, such as 30 or "30000/1001"; None for 24.
    is_exact: whether colours of videos are rounded to the nearest, for output; the quick way that
        masks are made from is a level too dark. "pyav" only.

    Raises InputError if there is nothing readable at `path`; UsageError for an unknown decoder or
    one that is not installed, and for a rate of a video, which has its own times.
    """
    if not isinstance(decoder, str) or decoder not in ("pyav", "decord"):
        raise UsageError(f"decoder {decoder!r} is unknown; use 'pyav' (default) or 'decord'")
    of_stills = None if rate is None else parse_rate(rate)
    from vos.io.read.images import ImageSource  # Pillow loads slowly

    try:
        text = os.fsdecode(path)
    except TypeError:
        raise InputError(
            f"{type(path).__name__} is no path; give the name of a video, a folder or a glob "
            "(Tracker.track takes frames of your own as an iterable of arrays, and Tracker.image "
            "one image)"
        ) from None
    if "\0" in text:
        raise InputError(f"{display_name(text)}: a name holds no zero byte; correct it")
    if not text:
        raise InputError("'': the input is an empty name; give a video, a folder or a glob")
    where = absolute(text)
    try:
        if where.is_dir():
            return ImageSource.from_folder(where, of_stills)
        if not where.exists():
            refuse_place(text)
            if is_pattern(text):
                return ImageSource.from_pattern(text, of_stills)
    except OSError as error:
        raise unreadable(where, error) from None
    if where.suffix.lower() in FOREIGN_SUFFIXES:
        require_readable_file(where)
        raise InputError(
            f"{display_name(where)}: a {describe_foreign(where.suffix)} image, which vos does not "
            f"read; convert it to PNG: {conversion(where, whole_folder=False)}"
        )
    is_named_still = where.suffix.lower() in STILL_SUFFIXES and not is_image_sequence(where)
    if is_named_still or is_still(where):
        return ImageSource.from_file(where, of_stills)
    if of_stills is not None:
        require_readable_file(where)
        raise UsageError(
            f"{display_name(where)}: a video has its own times, so it takes no rate; leave out `",
            Parameter("rate", str(rate)),
            "`",
        )
    if decoder == "decord":
        from vos.io.read.decord import DecordSource  # an optional dependency

        return DecordSource(where)
    from vos.io.read.container import ContainerSource  # FFmpeg loads slowly

    return ContainerSource(where, is_exact=is_exact)


def read_image(path: str | os.PathLike[str]) -> tuple[Frame, tuple[str, ...]]:
    """Read one still as tracking it would, and how it was read where that is not plain.

    Raises InputError for anything else.
    """
    from vos.io.read.still import several_pages  # Pillow loads slowly

    with open_source(path) as source:
        if source.info.kind != "image":
            if source.info.kind == "images" and source.info.path.is_file():
                raise several_pages(source.info.path, source.info.frame_count or 0)
            kind = "folder or glob" if source.info.kind == "images" else "video"
            raise InputError(
                f"{display_name(source.info.path)}: a {kind}, not one image; give an image "
                "file, or use Tracker.track(...)"
            )
        return next(source.frames()), source.notices
