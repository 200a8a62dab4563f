"""Every delivery format by the name that `--to` gives it. A new one is one more entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vos.config import nearest
from vos.errors import Parameter, UsageError
from vos.io.write.deliver.annotations.formats import ANNOTATIONS
from vos.io.write.deliver.format import Delivery, Format, Seen, Shot, Target
from vos.io.write.overlay.limits import LONGEST_SIDE_PX

if TYPE_CHECKING:
    from vos.io.write.deliver.finished import FinishedResult
    from vos.io.write.deliver.movies.write import MovieCodec

_STILLS = "{clip}_{object}.%04d"
_ONE_STILL = "{clip}.%04d"


# Each imports its writer only when it is opened: encoders and Pillow load slowly.
def _movie(
    name: str,
    summary: str,
    *,
    needs_image: bool = True,
    keeps_aspect: bool = True,
    max_error: int = 0,
) -> Format:
    def codec() -> MovieCodec:
        from vos.io.write.deliver.movies.write import CODECS

        return CODECS[name]

    def open_movie(folder: Path, shot: Shot) -> Delivery:
        from vos.io.write.deliver.movies.write import MovieDelivery

        return MovieDelivery(folder, shot, codec())

    def read_movie(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
        from vos.io.write.deliver.movies.read_back import read_movies

        return read_movies(folder, shot, codec(), wanted)

    def sample_movie(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
        from vos.io.write.deliver.movies.read_back import read_movies

        return read_movies(folder, shot, codec(), wanted, is_sampled=True)

    return Format(
        name,
        summary,
        open_movie,
        read_movie,
        is_movie=True,
        keeps_aspect=keeps_aspect,
        needs_image=needs_image,
        max_error=max_error,
        sample=sample_movie,
        require=lambda: codec().require(),
    )


def _open_mattes(folder: Path, shot: Shot) -> Delivery:
    from vos.io.write.deliver.stills.write import MattePngs

    return MattePngs(folder, shot)


def _open_cutouts(folder: Path, shot: Shot) -> Delivery:
    from vos.io.write.deliver.stills.write import CutoutPngs

    return CutoutPngs(folder, shot)


def _read_mattes(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    from vos.io.write.deliver.stills.read_back import read_pngs

    kind = "gray16be" if shot.bits == 16 else "gray"
    return read_pngs(folder, shot, kind, wanted)


def _read_cutouts(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    from vos.io.write.deliver.stills.read_back import read_pngs

    return read_pngs(folder, shot, "rgba", wanted)


def _open_over(folder: Path, shot: Shot) -> Delivery:
    from vos.io.write.deliver.movies.over import OverDelivery

    return OverDelivery(folder, shot)


def _read_over(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    from vos.io.write.deliver.movies.over import read_over

    return read_over(folder, shot, wanted)


def _compare_over(result: FinishedResult, shot: Shot, seen: Seen, matte: np.ndarray) -> str | None:
    from vos.io.write.deliver.movies.over import compare_over

    return compare_over(result, shot, seen, matte)


def _require_x264() -> None:
    from vos.io.write.deliver.movies.over import over_codec

    over_codec((2, 2)).require()


def _expect_boxes(label_map: np.ndarray, target: Target, _shot: Shot) -> np.ndarray:
    from vos.io.write.deliver.table import fill_boxes

    return fill_boxes(label_map, target)


def _require_openimageio() -> None:
    from vos.io.write.deliver.exr.write import import_openimageio

    import_openimageio()


def _require_opentimelineio() -> None:
    from vos.io.write.deliver.movies.otio import import_opentimelineio

    import_opentimelineio()


def _open_exr_mattes(folder: Path, shot: Shot) -> Delivery:
    from vos.io.write.deliver.exr.write import MatteExrs

    return MatteExrs(folder, shot)


def _read_exr_mattes(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    from vos.io.write.deliver.exr.read_back import read_mattes

    return read_mattes(folder, shot, wanted)


def _open_cryptomattes(folder: Path, shot: Shot) -> Delivery:
    from vos.io.write.deliver.exr.cryptomatte import CryptomatteExrs

    return CryptomatteExrs(folder, shot)


def _read_cryptomattes(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    from vos.io.write.deliver.exr.cryptomatte import read_cryptomattes

    return read_cryptomattes(folder, shot, wanted)


def _open_timeline(folder: Path, shot: Shot) -> Delivery:
    from vos.io.write.deliver.movies.otio import TimelineDelivery

    return TimelineDelivery(folder, shot)


def _read_timeline(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    from vos.io.write.deliver.movies.otio import read_timeline

    return read_timeline(folder, shot, wanted)


def _open_table(folder: Path, shot: Shot) -> Delivery:
    from vos.io.write.deliver.table import CsvTable

    return CsvTable(folder, shot)


def _read_table(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    from vos.io.write.deliver.table import read_table

    return read_table(folder, shot, wanted)


_ALL = (
    Format(
        "png-matte",
        "grey PNGs, a matte per object and frame",
        _open_mattes,
        _read_mattes,
        is_numbered=True,
        suffixes=(".png",),
        template=_STILLS,
    ),
    Format(
        "png-rgba",
        "PNGs of each object cut out, straight alpha",
        _open_cutouts,
        _read_cutouts,
        is_numbered=True,
        suffixes=(".png",),
        needs_image=True,
        template=_STILLS,
    ),
    _movie("prores4444", "ProRes 4444 with alpha (.mov)", max_error=1),
    _movie("prores4444xq", "ProRes 4444 XQ with alpha (.mov)", max_error=1),
    _movie("vp9", "VP9 with alpha (.webm)", keeps_aspect=False, max_error=10),
    _movie("ffv1", "FFV1 with alpha, lossless (.mkv)", keeps_aspect=False),
    _movie("qtrle", "QuickTime Animation with alpha, lossless (.mov)"),
    _movie("luma", "matte-only ProRes 422 HQ (.mov)", needs_image=False, max_error=2),
    Format(
        "green",
        "H.264 of the object over green, or over a background of choice (.mp4)",
        _open_over,
        _read_over,
        is_movie=True,
        keeps_aspect=True,
        needs_image=True,
        longest_side_px=LONGEST_SIDE_PX,
        require=_require_x264,
        compare=_compare_over,
        default_background="green",
    ),
    Format(
        "exr",
        "half-float OpenEXR, a layer per object",
        _open_exr_mattes,
        _read_exr_mattes,
        is_numbered=True,
        suffixes=(".exr",),
        is_timed=True,
        has_layers=True,
        keeps_aspect=True,
        require=_require_openimageio,
        compressions=("zips", "zip", "piz", "dwaa"),
        template=_ONE_STILL,
    ),
    Format(
        "cryptomatte",
        "OpenEXR with ids and coverage by rank",
        _open_cryptomattes,
        _read_cryptomattes,
        is_numbered=True,
        suffixes=(".exr",),
        is_timed=True,
        has_layers=True,
        keeps_aspect=True,
        can_invert=False,
        require=_require_openimageio,
        compressions=("zips", "zip", "piz"),  # dwaa would change ids
        template=_ONE_STILL,
    ),
    Format(
        "otio",
        "a timeline of the clip under its matte-only movies",
        _open_timeline,
        _read_timeline,
        is_movie=True,
        keeps_aspect=True,
        refers_to_clip=True,
        max_error=2,
        require=_require_opentimelineio,
    ),
    *ANNOTATIONS,
    Format(
        "csv",
        "a table, a row per frame and object",
        _open_table,
        _read_table,
        template="{clip}",
        expect=_expect_boxes,
    ),
)

FORMATS: dict[str, Format] = {one.name: one for one in _ALL}


def parse_formats(text: str, given: Parameter) -> tuple[str, ...]:
    """Parse names of formats, separated by commas; each counts once.

    given: what the user calls them, for messages.
    Raises UsageError for an unknown one, or where there is none.
    """
    names = tuple(dict.fromkeys(one.strip() for one in text.split(",") if one.strip()))
    if not names:
        raise UsageError(given, f": names no format; give some of {', '.join(FORMATS)}")
    for name in names:
        if name not in FORMATS:
            raise UsageError(
                given,
                f" {name}: is no format{nearest(name, FORMATS)}; give one of {', '.join(FORMATS)}",
            )
    return names


def check_format(form: Format, size_hw: tuple[int, int]) -> None:
    """Refuse before any work what can never be made here. Raises UsageError."""
    height, width = size_hw
    if max(height, width) > form.longest_side_px:
        raise UsageError(
            f"frames of {width} x {height} do not fit {form.name}, whose sides have at most "
            f"{form.longest_side_px:,} pixels; choose png-matte"
        )
    if form.require is not None:
        form.require()


def get_format(name: str) -> Format:
    """Return the delivery format of this name. Raises UsageError where there is none."""
    if name not in FORMATS:
        raise UsageError(f"export: {name!r} is no format; give one of {', '.join(FORMATS)}")
    return FORMATS[name]
