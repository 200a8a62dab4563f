"""File formats by their suffix: stills and videos that are read, and images that are not."""

from __future__ import annotations

from pathlib import Path

from vos.io.paths import display_name

_JPEG_LIKE = (".jpg", ".jpeg", ".jpe", ".jfif", ".jp2")
_HEIF_LIKE = (".heic", ".heif", ".hif", ".avif")
_OTHERS = (".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga")
STILL_SUFFIXES = frozenset((*_JPEG_LIKE, *_HEIF_LIKE, *_OTHERS))

VIDEO_SUFFIXES = frozenset(
    (
        ".3g2", ".3gp", ".avi", ".flv", ".gif", ".h264", ".h265", ".hevc", ".ivf", ".m2ts",
        ".m2v", ".m4v", ".mj2", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv",
        ".ts", ".vob", ".webm", ".wmv", ".y4m",
    )
)  # fmt: skip

_FAMILIES = {
    ".jpeg": ".jpg",
    ".jpe": ".jpg",
    ".jfif": ".jpg",
    ".tiff": ".tif",
    ".dib": ".bmp",
    ".heif": ".heic",
    ".hif": ".heic",
}

_MAGICK = "magick mogrify -format png {files}"
_LINEAR = "ffmpeg -apply_trc iec61966_2_1 -pattern_type glob -i {files} %05d.png"
_FFMPEG = "ffmpeg -pattern_type glob -i {files} %05d.png"

_FOREIGN = {
    ".exr": ("OpenEXR", _LINEAR),
    ".hdr": ("Radiance HDR", _MAGICK),
    ".dpx": ("DPX", _FFMPEG),
    ".cin": ("Cineon", _FFMPEG),
    ".jxl": ("JPEG XL", _MAGICK),
    ".psd": ("Photoshop", _MAGICK),
    ".svg": ("SVG", _MAGICK),
    ".sgi": ("SGI", _MAGICK),
    **dict.fromkeys(
        (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"), ("camera raw", _MAGICK)
    ),
}
FOREIGN_SUFFIXES = frozenset(_FOREIGN)
"""Of images that are not read."""


def family(suffix: str) -> str:
    """Return one suffix for all spellings of a format: ".JPEG" and ".jpg" are the same."""
    low = suffix.lower()
    return _FAMILIES.get(low, low)


def describe_foreign(suffix: str) -> str:
    """Name the format of images that are not read."""
    return _FOREIGN[suffix.lower()][0]


def conversion(file: Path, *, whole_folder: bool) -> str:
    """Write the command that makes PNG files of an image that is not read, or of all beside it."""
    command = _FOREIGN[file.suffix.lower()][1]
    name = file.with_name(f"*{file.suffix}") if whole_folder else file
    return command.format(files=f"'{display_name(name)}'")
