"""Image sequences: a folder, a glob, or a single still."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

from vos.errors import InputError
from vos.frame import Frame
from vos.io.paths import absolute, as_pattern, display_name, unreadable
from vos.io.read.source import Source, SourceInfo, TimePoint, is_before, past_the_end
from vos.io.read.still import read_header, read_still

_JPEG_LIKE = (".jpg", ".jpeg", ".jpe", ".jfif", ".jp2")
_OTHERS = (".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga")
STILL_SUFFIXES = frozenset((*_JPEG_LIKE, *_OTHERS))
IMAGE_RATE = Fraction(24)
"""Frames per second assumed for stills, which carry no time of their own."""

_DIGITS = re.compile(r"([0-9]+)")


def natural_key(name: str) -> tuple[list[int | str], str]:
    """Make a sort key under which "f2" comes before "f10"; case decides only between equals."""
    parts: list[int | str] = list(_DIGITS.split(name.casefold()))
    parts[1::2] = [int(digits) for digits in parts[1::2]]  # text and numbers alternate
    return parts, name


class ImageSource(Source):
    """Stills of one size, one frame each, in natural order of their names.

    `pts` is index / 24 s. `name` is the file's stem, so gaps and first numbers survive.
    """

    def __init__(self, path: Path, kind: Literal["images", "image"], files: list[Path]) -> None:
        """Read the header of every file.

        path: what the user named. files: in order, at least one. Raises InputError if two files
        share a stem, differ in size, or one is no readable image.
        """
        self._files = files
        self.warnings: list[str] = []
        _refuse_shared_stems(files)
        height, width = read_still(files[0]).shape[:2]
        header = read_header(files[0])
        self.info = SourceInfo(
            path=path,
            kind=kind,
            size_hw=(height, width),
            frame_count=len(files),
            average_rate=IMAGE_RATE,
            duration=len(files) / IMAGE_RATE,
            is_vfr=False,
            codec=header.format,
            pixel_format=header.mode,
            names=tuple(file.stem for file in files),
        )
        for idx in range(1, len(files)):
            self._check_stored_size(idx)

    @classmethod
    def from_folder(cls, folder: Path) -> ImageSource:
        """Take all stills directly inside `folder`; hidden and other files are passed over."""
        try:
            entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
        except OSError as error:
            raise unreadable(folder, error) from None
        files = _stills(entries)
        if not files:
            found = f"{len(entries)} other entries" if entries else "it is empty"
            raise InputError(
                f"{display_name(folder)}: no images in this folder ({found}); give a folder with "
                "jpg, png or other stills, or a video file"
            )
        return cls(folder, "images", sorted(files, key=lambda file: natural_key(file.name)))

    @classmethod
    def from_glob(cls, pattern: str) -> ImageSource:
        """Take all stills that match `pattern`."""
        escaped = as_pattern(pattern) or glob.escape(pattern)
        found = glob.iglob(escaped, recursive=True)  # noqa: PTH207  (Path.glob wants relative ones)
        matches = [absolute(match) for match in found]
        files = _stills(matches)
        if not files:
            raise InputError(
                f"{display_name(pattern)}: the pattern matches {len(matches)} paths, none an "
                "image; quote it so that the shell leaves it alone, and check the spelling"
            )
        return cls(absolute(pattern), "images", sorted(files, key=lambda f: natural_key(str(f))))

    @classmethod
    def from_file(cls, file: Path) -> ImageSource:
        """Take a single still."""
        return cls(file, "image", [file])

    def _frames(
        self, start: TimePoint | None, end: TimePoint | None, skip_to: int
    ) -> Iterator[Frame]:
        count = len(self._files)
        if is_before(count - 1, (count - 1) / IMAGE_RATE, start):
            raise past_the_end(self.info.path, start or 0, count)
        for idx in range(count):
            pts = idx / IMAGE_RATE
            if end is not None and not is_before(idx, pts, end):
                return
            if idx >= skip_to and not is_before(idx, pts, start):
                yield self._read(idx)

    def _frames_reversed(self, start: int, last: int, skip_to: int) -> Iterator[Frame]:
        if start >= len(self._files):
            raise past_the_end(self.info.path, start, len(self._files))
        for idx in range(skip_to, last - 1, -1):
            yield self._read(idx)

    def _read(self, idx: int) -> Frame:
        image = read_still(self._files[idx])
        height, width = image.shape[:2]
        if (height, width) != self.info.size_hw:
            raise self._mixed_sizes(idx, (height, width))
        return Frame(image, idx / IMAGE_RATE, idx, self._files[idx].stem)

    def _check_stored_size(self, idx: int) -> None:
        """Find mixed sizes before any tracking; only decoding tells which way up a still is."""
        stored_hw = read_header(self._files[idx]).size_hw
        if sorted(stored_hw) != sorted(self.info.size_hw):
            raise self._mixed_sizes(idx, stored_hw)

    def _mixed_sizes(self, idx: int, size_hw: tuple[int, int]) -> InputError:
        first_h, first_w = self.info.size_hw
        height, width = size_hw
        return InputError(
            f"mixed sizes: {display_name(self._files[0])} is {first_w}x{first_h}, "
            f"{display_name(self._files[idx])} is {width}x{height}; all frames of a sequence "
            "must have one size"
        )


def _stills(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.suffix.lower() in STILL_SUFFIXES and path.is_file()]


def _refuse_shared_stems(files: list[Path]) -> None:
    """Refuse two inputs of one stem: their outputs, named after it, would be one."""
    seen: dict[str, Path] = {}
    for file in files:
        other = seen.setdefault(file.stem, file)
        if other != file:
            raise InputError(
                f"{display_name(other)} and {display_name(file)} share the name "
                f"{display_name(file.stem)!r}, which their outputs would share too; rename or "
                "remove one"
            )
