"""What the first bytes of a file say it is, where its name does not decide that."""

from __future__ import annotations

from pathlib import Path

_HEAD_BYTES = 256
_PNG = b"\x89PNG\r\n\x1a\n"
_HEIF_STILLS = frozenset((b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"miaf"))
_AVIF_STILL = b"avif"
_SEQUENCES = frozenset((b"avis", b"msf1", b"hevc", b"hevx", b"hevm", b"hevs"))


def is_heif(path: Path) -> bool:
    """Tell whether a file is a HEIF still, such as HEIC, that Pillow needs help with."""
    return _major_brand(path) in _HEIF_STILLS and not _is_avif(path)


def is_still(path: Path) -> bool:
    """Tell whether a file is a still whose pictures FFmpeg would give one of only.

    HEIC and AVIF may be made of tiles, each of which looks like a video stream; PNG and WebP may
    be animations.
    """
    head = _head(path)
    if head.startswith(_PNG) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return True
    brand = _major_brand(path)
    return brand in _HEIF_STILLS or brand == _AVIF_STILL


def is_image_sequence(path: Path) -> bool:
    """Tell whether a HEIF or AVIF file is an animation with times, which is read as a video."""
    return _major_brand(path) in _SEQUENCES


def _is_avif(path: Path) -> bool:
    """Tell whether a file of a general brand, `mif1`, names AVIF among its further ones."""
    head = _head(path)
    size = int.from_bytes(head[:4], "big")
    others = head[16:size]
    brands = {others[at : at + 4] for at in range(0, len(others), 4)}
    return _AVIF_STILL in brands and not brands & {b"heic", b"heix"}


def _major_brand(path: Path) -> bytes:
    head = _head(path)
    return head[8:12] if head[4:8] == b"ftyp" else b""


def _head(path: Path) -> bytes:
    try:
        if not path.is_file():  # a pipe would wait
            return b""
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""  # whoever reads it says why not
