"""Reading EXRs of an export back: OpenImageIO opens each file afresh.

It is the only one of our libraries that reads channels of any name, so it reads what it wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.error import FFmpegError

from vos.errors import VerificationError
from vos.io.paths import display_name
from vos.io.write.deliver.exr.write import (
    ASPECT,
    RATE,
    SUFFIX,
    TIMECODE,
    fit_rate,
    group_layers,
    import_openimageio,
    list_matte_channels,
    pack_timecode,
)
from vos.io.write.deliver.format import OPAQUE, Seen, Shot, Target
from vos.io.write.deliver.names import numbered

Layers = Sequence[Target]


def read_mattes(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    """Read an export of half-float layers back: see `ReadBack`."""

    def decode(opened: Any, _path: Path, layers: Layers) -> list[np.ndarray]:
        pixels = opened.read_image("half")
        if pixels is None:
            raise ValueError(opened.geterror())
        names = opened.spec().channelnames  # in the order of the alphabet
        return [to_bytes(pixels[..., names.index(one)]) for one in list_matte_channels(layers)]

    return read_exrs(folder, shot, wanted, "half", list_matte_channels, lambda _: {}, decode)


def read_exrs(
    folder: Path,
    shot: Shot,
    wanted: Callable[[int], bool],
    pixel_format: str,
    list_channels: Callable[[Layers], list[str]],
    list_attributes: Callable[[Layers], dict[str, str]],
    decode: Callable[[Any, Path, Layers], list[np.ndarray]],
) -> Iterator[Seen]:
    """Read EXRs of an export back: see `ReadBack`.

    pixel_format: what OpenImageIO calls the type of all channels.
    list_channels: the channels that each file has to have.
    list_attributes: what the header of each file has to say besides.
    decode: makes the matte of each layer, H x W of 0 to 255, of a file that is open and its path;
        raises ValueError, OSError or FFmpegError where it cannot.
    """
    oiio = import_openimageio()
    files = group_layers(shot)
    for position, frame_idx in enumerate(shot.frames):
        for stem, layers in files.items():
            path = folder / f"{numbered(stem, shot.number(frame_idx))}{SUFFIX}"
            opened = _open(oiio, path, frame_idx)
            header = _expect_header(shot, frame_idx, pixel_format, list_channels(layers))
            header.update(list_attributes(layers))
            _check_header(path, frame_idx, _read_header(opened, header), header)
            mattes: Sequence[np.ndarray | None] = [None] * len(layers)
            if wanted(position):
                try:
                    mattes = decode(opened, path, layers)
                except (ValueError, OSError, FFmpegError) as error:
                    raise VerificationError(
                        f"{display_name(path.name)}: frame {frame_idx} cannot be decoded "
                        f"({_one_line(str(error))}): export again"
                    ) from error
            opened.close()
            for target, matte in zip(layers, mattes, strict=True):
                yield Seen(position, target, matte)
    expected = len(shot.frames) * len(files)
    found = sum(1 for _ in folder.glob(f"*{SUFFIX}"))
    if found != expected:
        raise VerificationError(
            f"{display_name(folder)}: holds {found} EXRs, not {expected}: take others out, or "
            "export again"
        )


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Turn a matte of 0 to 1 into int16 of 0 to 255, and values that no matte has into others."""
    scaled = np.nan_to_num(values.astype(np.float32) * OPAQUE, nan=-OPAQUE)
    return np.rint(scaled).clip(-OPAQUE, 2 * OPAQUE).astype(np.int16)


def _open(oiio: Any, path: Path, frame_idx: int) -> Any:
    if not path.is_file():
        raise VerificationError(
            f"{display_name(path.name)}: frame {frame_idx} is missing: export again"
        )
    opened = oiio.ImageInput.open(str(path))
    if opened is None:
        raise VerificationError(
            f"{display_name(path.name)}: frame {frame_idx} is no EXR that can be read "
            f"({_one_line(oiio.geterror())}): export again"
        )
    return opened


def _expect_header(
    shot: Shot, frame_idx: int, pixel_format: str, channels: list[str]
) -> dict[str, Any]:
    height, width = shot.size_hw
    timecode = pack_timecode(shot, frame_idx)
    window = (0, 0, width, height)
    return {
        "channels": tuple(sorted(channels)),
        "pixels": pixel_format,
        "data window": window,
        "display window": window,
        "compression": shot.compression,
        "parts": 1,
        RATE: Fraction(*fit_rate(shot.rate)),
        TIMECODE: None if timecode is None else (timecode, 0),
        ASPECT: float(np.float32(shot.pixel_aspect)),
    }


def _read_header(opened: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    spec = opened.spec()
    formats = {str(one) for one in spec.channelformats} or {str(spec.format)}
    rate = spec.get(RATE)
    return {
        **{name: spec.get(name) for name in wanted},
        "channels": tuple(sorted(spec.channelnames)),
        "pixels": ", ".join(sorted(formats)),
        "data window": (spec.x, spec.y, spec.width, spec.height),
        "display window": (spec.full_x, spec.full_y, spec.full_width, spec.full_height),
        "parts": spec.get("oiio:subimages", 1),
        RATE: Fraction(*rate) if rate else None,
        ASPECT: spec.get(ASPECT, 1.0),
    }


def _check_header(
    path: Path, frame_idx: int, found: dict[str, Any], wanted: dict[str, Any]
) -> None:
    for name, value in wanted.items():
        if found[name] != value:
            raise VerificationError(
                f"{display_name(path.name)}: {name} of frame {frame_idx}: {_shown(found[name])}, "
                f"not {_shown(value)}: export again"
            )


def _shown(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return display_name(text if len(text) <= 200 else f"{text[:200]}...")


def _one_line(text: str) -> str:
    return display_name(" ".join(text.split()))
