"""Reading PNGs of an export back with FFmpeg's decoder; Pillow wrote them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from av.error import FFmpegError

from vos.errors import VerificationError
from vos.io.paths import display_name
from vos.io.write.deliver.format import Seen, Shot, Target
from vos.io.write.deliver.names import numbered
from vos.io.write.deliver.stills.png import decode_png
from vos.io.write.deliver.stills.write import SUFFIX


def read_pngs(
    folder: Path, shot: Shot, pixel_format: str, wanted: Callable[[int], bool]
) -> Iterator[Seen]:
    """Read the PNGs of an export: see `ReadBack`. Others that lie there are refused."""
    for target in shot.targets:
        for position, frame_idx in enumerate(shot.frames):
            path = folder / f"{numbered(target.stem, shot.number(frame_idx))}{SUFFIX}"
            if not path.is_file():
                raise VerificationError(
                    f"{display_name(path.name)}: frame {frame_idx} is missing: export again"
                )
            matte = _read(path, shot, pixel_format, frame_idx) if wanted(position) else None
            yield Seen(position, target, matte)
    _refuse_more(folder, shot, shot.targets)


def _read(path: Path, shot: Shot, pixel_format: str, frame_idx: int) -> np.ndarray:
    try:
        frame = decode_png(path.read_bytes())
    except (FFmpegError, OSError, ValueError) as error:
        raise VerificationError(
            f"{display_name(path.name)}: frame {frame_idx} cannot be decoded ({error}): export "
            "again"
        ) from error
    if (frame.height, frame.width) != shot.size_hw or frame.format.name != pixel_format:
        raise VerificationError(
            f"{display_name(path.name)}: frame {frame_idx} is {frame.width} x {frame.height} "
            f"{frame.format.name}, not {shot.size_hw[1]} x {shot.size_hw[0]} {pixel_format}: "
            "export again"
        )
    values = frame.to_ndarray()
    if values.dtype == np.uint16:
        high, low = np.divmod(values, 257)
        if low.any():
            raise VerificationError(
                f"{display_name(path.name)}: frame {frame_idx} has values between the 8-bit ones: "
                "export again"
            )
        return high.astype(np.uint8)
    return values if values.ndim == 2 else values[..., 3]


def _refuse_more(folder: Path, shot: Shot, targets: tuple[Target, ...]) -> None:
    expected = len(shot.frames) * len(targets)
    found = sum(1 for _ in folder.glob(f"*{SUFFIX}"))
    if found != expected:
        raise VerificationError(
            f"{display_name(folder)}: holds {found} PNGs, not {expected}: take others out, or "
            "export again"
        )
