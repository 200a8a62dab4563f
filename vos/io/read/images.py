"""Image sequences: a folder, a glob, or a single still."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

from vos.errors import InputError
from vos.frame import Frame
from vos.io.closing import Closing
from vos.io.paths import absolute, display_name, unreadable
from vos.io.patterns import expand
from vos.io.read import size_limits
from vos.io.read.sequence import Arranged, arrange_folder, arrange_matches
from vos.io.read.source import (
    IMAGE_RATE,
    Source,
    SourceInfo,
    TimePoint,
    is_before,
    past_the_end,
    video_frame_name,
)
from vos.io.read.still import SIXTEEN_BIT_MAX, OpenStill, StillHeader, read_header
from vos.io.read.still_codes import UNKNOWN

_CHUNK_FRAMES = 32
_CHUNK_BYTES = 256 * 2**20
_WIDE_LOOKED_AT = 256
_WHITES = tuple(2**bits - 1 for bits in (8, 10, 12, 14))


class ImageSource(Source):
    """Stills of one size in natural order of their names, one frame for each page.

    `pts` is index / rate, in seconds. `name` is the file's stem, so gaps and first numbers survive;
    the pages of a single file are numbered as a video's frames, those of one among others behind
    its stem.
    """

    def __init__(
        self,
        path: Path,
        kind: Literal["images", "image"],
        arranged: Arranged,
        rate: Fraction | None = None,
    ) -> None:
        """Read the header of every file.

        path: what the user named. arranged: the files, at least one. rate: frames per second, None
        for `IMAGE_RATE`. Raises InputError if two files
        share a stem, differ in size, or one is no readable image.
        """
        files = arranged.files
        self._rate = rate or IMAGE_RATE
        self.notices = arranged.notices
        self.warnings = list(arranged.warnings)
        self._wide_white = SIXTEEN_BIT_MAX
        _refuse_shared_stems(files)
        with OpenStill(files[0]) as still:
            header = still.header
            height, width = still.read(0).shape[:2]
        self._size_hw = (height, width)
        self._pages: list[_Page] = []
        self._has_many_in_one = False
        for file in files:
            self._add(file, header if file is files[0] else read_header(file), len(files))
        names = tuple(page.name for page in self._pages)
        if note := size_limits.memory_note(self._size_hw, len(names)):
            self.warnings.append(f"{display_name(path.name)}: {note}")
        self.info = SourceInfo(
            path=path,
            kind=kind if len(names) == 1 else "images",
            size_hw=(height, width),
            frame_count=len(names),
            average_rate=self._rate,
            duration=len(names) / self._rate,
            is_rate_given=rate is not None,
            is_vfr=False,
            codec=header.format,
            pixel_format=header.mode,
            names=names,
        )
        self._is_grey = header.mode.startswith("I")
        self._say_hdr(header)
        if header.is_cut:
            self.notices += (
                f"{display_name(path)}: 16-bit colour in several pages is read as if all 16 bits "
                "were in use; if it looks dark, save each page as a PNG",
            )
        self._choose_white([page for page in self._pages if page.is_wide])

    @classmethod
    def from_folder(cls, folder: Path, rate: Fraction | None = None) -> ImageSource:
        """Take the sequence directly inside `folder`; hidden files are passed over."""
        try:
            entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
        except OSError as error:
            raise unreadable(folder, error) from None
        return cls(folder, "images", arrange_folder(folder, entries), rate)

    @classmethod
    def from_pattern(cls, pattern: str, rate: Fraction | None = None) -> ImageSource:
        """Take all stills that match `pattern`, a glob or a name with %04d or ####."""
        arranged = arrange_matches(pattern, expand(pattern))
        return cls(absolute(pattern), "images", arranged, rate)

    @classmethod
    def from_file(cls, file: Path, rate: Fraction | None = None) -> ImageSource:
        """Take a single still."""
        return cls(file, "image", Arranged([file]), rate)

    def _say_hdr(self, header: StillHeader) -> None:
        if header.hdr is None:
            return
        name = display_name(self.info.path)
        transfer = header.hdr[0]
        if transfer == UNKNOWN:
            self.notices += (f"{name}: whether it is HDR could not be told; it is read as SDR",)
            return
        self.notices += (
            f"{name}: is HDR ({transfer}); tone-mapped to SDR, bt709, by ITU-R BT.2390",
        )
        self.info = replace(self.info, transfer=transfer)

    def _choose_white(self, wide: Sequence[_Page]) -> None:
        """Find what is white in 16 bits: cameras of 10, 12 or 14 bits do not fill them."""
        count = min(len(wide), _WIDE_LOOKED_AT)
        looked_at = [wide[idx * len(wide) // count] for idx in range(count)]
        brightest = 0
        with _Reader() as reader:
            for page in looked_at:
                brightest = max(brightest, reader.open(page).read_max(page.number))
                if brightest > _WHITES[-1]:
                    return  # all 16 bits are in use
        if not brightest:
            return
        self._wide_white = next(white for white in _WHITES if brightest <= white)
        kind = "grey" if self._is_grey else "colour"
        seen = "" if count == len(wide) else f" of {count} images looked at"
        self.notices += (
            f"{display_name(self.info.path)}: 16-bit {kind} with values up to {brightest}{seen} is "
            f"read as {self._wide_white.bit_length()}-bit: {self._wide_white} is white in every "
            "image",
        )

    def _frames(
        self, start: TimePoint | None, end: TimePoint | None, skip_to: int
    ) -> Iterator[Frame]:
        count = len(self._pages)
        if is_before(count - 1, (count - 1) / self._rate, start):
            raise past_the_end(self.info.path, start or 0, count)
        with _Reader() as reader:
            for idx in range(count):
                pts = idx / self._rate
                if end is not None and not is_before(idx, pts, end):
                    return
                if idx >= skip_to and not is_before(idx, pts, start):
                    yield self._read(reader, idx)

    def _frames_reversed(self, start: int, last: int, skip_to: int) -> Iterator[Frame]:
        if start >= len(self._pages):
            raise past_the_end(self.info.path, start, len(self._pages))
        top = skip_to
        while top >= last:
            low = max(last, top - self._chunk() + 1)
            with _Reader() as reader:
                chunk = [self._read(reader, idx) for idx in range(low, top + 1)]
            while chunk:
                yield chunk.pop()
            top = low - 1

    def _chunk(self) -> int:
        """Return how many frames are read at once to go back: animations only go forward."""
        if not self._has_many_in_one:
            return 1
        height, width = self._size_hw
        return max(1, min(_CHUNK_FRAMES, _CHUNK_BYTES // (height * width * 3)))

    def _read(self, reader: _Reader, idx: int) -> Frame:
        page = self._pages[idx]
        image = reader.open(page).read(page.number, self._wide_white)
        height, width = image.shape[:2]
        if (height, width) != self._size_hw:
            raise self._mixed_sizes(page, (height, width))
        return Frame(image, idx / self._rate, idx, page.name)

    def _add(self, file: Path, header: StillHeader, file_count: int) -> None:
        """Append the pages of a file.

        Finds mixed sizes before any tracking; only decoding tells which way up a still is.
        """
        count = header.page_count
        if count == 1:
            names = [file.stem]
        else:
            lead = "" if file_count == 1 else f"{file.stem}_"
            names = [lead + video_frame_name(page) for page in range(count)]
            self._has_many_in_one = True
            self.warnings.append(
                f"{display_name(file.name)}: holds {count} pictures; each is a frame, "
                f"{self._rate} to the second"
            )
        pages = [_Page(file, number, name, header.is_wide) for number, name in enumerate(names)]
        if sorted(header.size_hw) != sorted(self._size_hw):
            raise self._mixed_sizes(pages[0], header.size_hw)
        self._pages += pages

    def _mixed_sizes(self, page: _Page, size_hw: tuple[int, int]) -> InputError:
        first_h, first_w = self._size_hw
        height, width = size_hw
        where = f"page {page.number + 1} of " if page.number else ""
        first = self._pages[0].file if self._pages else page.file
        return InputError(
            f"mixed sizes: {display_name(first)} is {first_w}x{first_h}, "
            f"{where}{display_name(page.file)} is {width}x{height}; all frames of a sequence "
            "must have one size"
        )


@dataclass(frozen=True, slots=True)
class _Page:
    """Where one frame is.

    file: the still that holds it.
    number: its place among the still's pages, from 0.
    name: the stem of its output files.
    is_wide: whether it has 16 bits, whose range is to be found.
    """

    file: Path
    number: int
    name: str
    is_wide: bool


class _Reader(Closing):
    """A reader of pages that leaves a file open for the next page of it."""

    def __init__(self) -> None:
        self._still: OpenStill | None = None
        self._file: Path | None = None

    def open(self, page: _Page) -> OpenStill:
        if page.file != self._file:
            self._finish()
            self._still = OpenStill(page.file)
            self._file = page.file
        assert self._still is not None
        return self._still

    def _finish(self) -> None:
        if self._still is not None:
            self._still.__exit__(None, None, None)
        self._still = self._file = None


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
