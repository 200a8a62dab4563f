"""Stills as RGB, whatever their mode, with every page a file holds."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from vos.errors import InputError, VosError
from vos.io.paths import display_name, require_readable_file
from vos.io.read import size_limits, still_codes
from vos.io.read.signatures import is_heif

SIXTEEN_BIT_MAX = 65535
_TIFF_SUBFILE, _TIFF_DESCRIPTION = 254, 270
_TIFF_NOT_A_PAGE = 1 | 4  # a reduced copy, a transparency mask
_IMAGEJ_COUNT = re.compile(r"ImageJ=.*?^images=(\d{1,9})$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class StillHeader:
    """What a still says of itself before it is decoded.

    size_hw: as stored, EXIF orientation not applied.
    format: "jpeg", "png", ...
    mode: Pillow's.
    page_count: how many pictures it holds: the pages of a TIFF, the frames of an animation.
    is_wide: whether its range is to be found: 16-bit grey, or SDR colour of 16 bits.
    is_cut: whether the low byte of 16-bit colour is left out, as FFmpeg reads one page only.
    hdr: transfer function, "pq" or "hlg", and number of the primaries; None for SDR.
        `still_codes.UNKNOWN` where that could not be told.
    """

    size_hw: tuple[int, int]
    format: str
    mode: str
    page_count: int
    is_wide: bool = False
    is_cut: bool = False
    hdr: tuple[str, int] | None = None


def read_header(path: Path) -> StillHeader:
    """Read a still's header. Raises InputError if the file is missing, empty or no image."""
    with OpenStill(path) as still:
        return still.header


def read_still(path: Path, wide_white: int = SIXTEEN_BIT_MAX) -> np.ndarray:
    """Read the image as displayed: uint8 H x W x 3, RGB, EXIF orientation applied.

    wide_white: the value of 16-bit grey or colour that is white; what is brighter is white too.

    Alpha is dropped, the colour under it stays. 16 bits are scaled to 8, HDR is tone-mapped; CMYK,
    palette and bilevel images are converted; colour profiles are ignored. Raises InputError if the
    file is broken or holds several pages, naming it.
    """
    with OpenStill(path) as still:
        if still.header.page_count > 1:
            raise several_pages(path, still.header.page_count)
        return still.read(0, wide_white)


def several_pages(path: Path, count: int) -> InputError:
    """Make the one-line InputError for a file of many pictures where one is meant."""
    return InputError(
        f"{display_name(path)}: holds {count} pictures where one is meant; save the one as a file "
        "of its own, or track the file as a clip"
    )


class OpenStill:
    """A still file that is open, so that its pages are read one after the other.

    header: what it says of itself.

    Reading a page before the last one read may decode all pages before it again.
    """

    def __init__(self, path: Path) -> None:
        """Raise InputError if the file is missing, empty, no image, or larger than the limit."""
        self._path = path
        require_readable_file(path)
        with _image_errors(path):
            self._image = _open_image(path)
        try:
            with _image_errors(path):
                self._pages = _pages(path, self._image)
                width, height = self._image.size
                has_wide_colour = still_codes.is_wide_colour(self._image)
                self._is_wide_colour = has_wide_colour and len(self._pages) == 1
                hdr = still_codes.read_transfer(path, self._image)
        except BaseException:
            self._image.close()
            raise
        name = (self._image.format or "unknown").lower()
        mode = self._image.mode
        is_wide = (mode.startswith("I") or self._is_wide_colour) and hdr is None
        is_cut = has_wide_colour and not self._is_wide_colour
        self.header = StillHeader(
            (height, width), name, mode, len(self._pages), is_wide, is_cut, hdr
        )

    def read(self, page: int, wide_white: int = SIXTEEN_BIT_MAX) -> np.ndarray:
        """Read a page as `read_still` reads a file of one."""
        is_hdr = self.header.hdr is not None and self.header.hdr[0] != still_codes.UNKNOWN
        if self._is_wide_colour and (is_hdr or wide_white < SIXTEEN_BIT_MAX):
            codes = self._read_wide(page)
            return self._tone_map(codes) if is_hdr else _narrow(codes, wide_white)
        with self._loaded(page) as image:
            upright = ImageOps.exif_transpose(image)
            if not is_hdr:
                return _to_rgb(self._path, upright, wide_white)
            if upright.mode.startswith("I"):
                grey = np.asarray(upright).astype(np.uint16)
                return self._tone_map(np.repeat(grey[:, :, None], 3, axis=2))
            codes = _to_rgb(self._path, upright, wide_white).astype(np.uint16) * 257
            return self._tone_map(codes)

    def read_max(self, page: int) -> int:
        """Find the highest value of a page of 16 bits. Raises InputError as `read`."""
        if self._is_wide_colour:
            return int(self._read_wide(page).max())
        with self._loaded(page) as image:
            return int(np.asarray(image).max())

    def _read_wide(self, page: int) -> np.ndarray:
        with _image_errors(self._path):
            self._image.seek(self._pages[page])
            orientation = still_codes.read_orientation(self._image)
            return still_codes.read_wide(self._path, orientation)

    def _tone_map(self, codes: np.ndarray) -> np.ndarray:
        from vos.io.read.tone_map import HdrForm, tone_map  # FFmpeg loads slowly

        assert self.header.hdr is not None
        transfer, primaries = self.header.hdr
        return tone_map(codes, HdrForm(transfer == "hlg", primaries))

    @contextmanager
    def _loaded(self, page: int) -> Iterator[Image.Image]:
        try:
            with _image_errors(self._path):
                self._image.seek(self._pages[page])
                width, height = self._image.size
                size_limits.check_still_size(self._path, (height, width))
                self._image.load()
                yield self._image
        except InputError as error:
            if len(self._pages) == 1:
                raise
            raise InputError(f"page {page + 1} of {len(self._pages)}: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._image.close()


def _open_image(path: Path) -> Image.Image:
    if is_heif(path):
        _register_heif(path)
    # Pillow warns of large images and refuses larger ones; our own limit is checked instead.
    with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
        image = Image.open(path)
    try:
        width, height = image.size
        size_limits.check_still_size(path, (height, width))
    except BaseException:
        image.close()
        raise
    return image


def _register_heif(path: Path) -> None:
    try:
        import pillow_heif  # pyright: ignore[reportMissingImports]  (an optional dependency)
    except ImportError:
        raise InputError(
            f"{display_name(path)}: a HEIC picture, which needs one more package: "
            "pip install 'vos[heif]', or save it as jpg or png"
        ) from None
    pillow_heif.register_heif_opener()


def _pages(path: Path, image: Image.Image) -> list[int]:
    """Return the places of the pictures among what Pillow counts as frames."""
    if image.format == "MPO":  # a JPEG; the others are its preview, depth or gain map
        return [0]
    if image.format == "PPM":
        _refuse_joined(path, image)
    places = list(range(getattr(image, "n_frames", 1)))
    if image.format == "PNG" and len(places) > 1 and image.info.get("default_image"):
        return places[1:]  # what programs show that know no animation
    if image.format == "TIFF":
        return _tiff_pages(path, image, places)
    return places


def _tiff_pages(path: Path, image: Image.Image, places: list[int]) -> list[int]:
    described = str(image.getexif().get(_TIFF_DESCRIPTION, ""))
    promised = _IMAGEJ_COUNT.match(described)
    if promised and int(promised[1]) > len(places):
        raise InputError(
            f"{display_name(path)}: promises {promised[1]} pictures but has a page for "
            f"{len(places)} only (ImageJ writes large stacks so); save it as an image sequence"
        )
    if len(places) == 1:
        return places
    pages = []
    for place in places:
        image.seek(place)
        subfile = image.tag_v2.get(_TIFF_SUBFILE, 0)  # pyright: ignore[reportAttributeAccessIssue]
        if not subfile & _TIFF_NOT_A_PAGE:
            pages.append(place)
    pages = pages or places[:1]
    image.seek(pages[0])
    return pages


def _refuse_joined(path: Path, image: Image.Image) -> None:
    """Refuse a portable pixmap with others behind it, of which Pillow reads the first."""
    tile = image.tile[0]  # pyright: ignore[reportAttributeAccessIssue]
    decoder, (_, _, width, height), offset, args = tile
    if decoder != "raw":
        return  # written as text
    raw_mode = args if isinstance(args, str) else args[0]
    row_bits = {"1;I": 1, "L": 8, "RGB": 24, "I;16B": 16}.get(raw_mode, 0) * width
    end = offset + (row_bits + 7) // 8 * height
    if row_bits and path.stat().st_size > end:
        with path.open("rb") as file:
            file.seek(end)
            rest = file.read(64).lstrip()
        if rest[:1] == b"P":
            raise InputError(
                f"{display_name(path)}: several pictures, one after the other; give each a file "
                "of its own, or make a video of them"
            )


def _to_rgb(path: Path, upright: Image.Image, wide_white: int) -> np.ndarray:
    if upright.mode.startswith("I"):
        return _from_wide_grey(path, upright, wide_white)
    if upright.mode == "F":
        raise InputError(
            f"{display_name(path)}: floating-point pixels have no fixed range; convert the "
            "images to 8 or 16 bits per channel"
        )
    if upright.mode in ("P", "PA", "LA"):
        upright = upright.convert("RGBA")
    return np.array(upright if upright.mode == "RGB" else upright.convert("RGB"))


def _from_wide_grey(path: Path, image: Image.Image, white: int) -> np.ndarray:
    grey = np.asarray(image).astype(np.int64)
    if grey.min() < 0 or grey.max() > SIXTEEN_BIT_MAX:
        raise InputError(
            f"{display_name(path)}: grey values from {grey.min()} to {grey.max()} exceed 16 bits; "
            "convert the images to 8 or 16 bits"
        )
    return np.repeat(_narrow(grey, white)[:, :, None], 3, axis=2)


def _narrow(values: np.ndarray, white: int) -> np.ndarray:
    """Scale 16 bits to 8, so that `white` and what is brighter is 255."""
    wide = np.minimum(values, white).astype(np.int64)
    return ((wide * 255 + white // 2) // white).astype(np.uint8)


@contextmanager
def _image_errors(path: Path) -> Iterator[None]:
    """Turn what Pillow raises into InputError."""
    try:
        yield
    except (VosError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise InputError(
            f"{display_name(path)}: not an image despite its name; replace or remove it"
        ) from None
    except Image.DecompressionBombError:
        raise InputError(
            f"{display_name(path)}: more than the {size_limits.MOST_STILL_PIXELS:,} pixels that a "
            "still may have; resize it first"
        ) from None
    except Exception as error:  # Pillow's format readers raise nearly anything on damaged data
        reason = display_name(str(error)) or type(error).__name__
        raise InputError(
            f"{display_name(path)}: broken image ({reason}); replace or remove it"
        ) from None
