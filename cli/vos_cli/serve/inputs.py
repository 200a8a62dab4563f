"""Frames and files as clients of the API give them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from vos.errors import InputError, UsageError
from vos.io.paths import display_name
from vos.io.read.size_limits import check_video_size
from vos.io.read.still import OpenStill, several_pages
from vos_cli.console.errors import message

_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


def find_file(root: Path | None, file: str) -> Path:
    """Return the path of a file or folder below the root that a client named.

    Raises UsageError where that is outside, also by a link, or where no file may be named.
    """
    if root is None:
        raise UsageError("no file may be named here: vos serve was started without --root")
    refusal = InputError(f"{display_name(file)}: nothing of that name is below --root; correct it")
    if not file or "\0" in file:
        raise refusal
    try:
        path = (root / file).resolve(strict=True)
        is_inside = path != root and path.is_relative_to(root)
        if is_inside and path.is_dir():  # of images, each of which may be a link
            is_inside = all(one.resolve().is_relative_to(root) for one in path.iterdir())
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        raise refusal from None
    if not is_inside:
        raise refusal
    return path


def decode_image(data: bytes) -> np.ndarray:
    """Read a PNG or JPEG as uint8 H x W x 3, RGB, as a file of the same bytes is read.

    Raises InputError for anything else, a broken or a huge one.
    """
    if not data.startswith(_SIGNATURES):
        raise InputError("the frame is no PNG and no JPEG; send the bytes of one as the body")
    with tempfile.TemporaryDirectory(prefix="vos-serve-") as folder:
        path = Path(folder, "frame")
        path.write_bytes(data)
        try:
            with OpenStill(path) as still:
                if still.header.page_count > 1:
                    raise several_pages(path, still.header.page_count)
                check_video_size(path, still.header.size_hw)
                return still.read(0)
        except InputError as error:
            raise InputError(message(error).replace(display_name(path), "the frame")) from None
