"""Deliveries of one OpenEXR file per frame, with a layer per object, written by OpenImageIO.

Each is a single part with all channels, the same ones on every frame and blank where an object is
absent: Nuke and others take the channels of a sequence from its first file.
"""

from __future__ import annotations

import contextlib
import errno
import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vos.errors import UsageError
from vos.io.write.deliver.format import OPAQUE, Delivery, Shot, ShotFrame, Target
from vos.io.write.deliver.names import numbered
from vos.io.write.deliver.timecode import add_frames, pack_smpte
from vos.io.write.deliver.workers import Workers

SUFFIX = ".exr"
CHANNEL = ".A"
RATE, TIMECODE, ASPECT = "framesPerSecond", "smpte:TimeCode", "PixelAspectRatio"
_ROWS = 128  # at a time, a multiple of what any compression takes: large frames need no more memory
_PROBE_BYTES = 2**20
_HALF = (np.arange(256, dtype=np.float32) / OPAQUE).astype(np.float16)  # exact to 8 bits and back


def import_openimageio() -> Any:
    """Import OpenImageIO. Raises UsageError, saying what to install, where it is not there."""
    try:
        import OpenImageIO  # pyright: ignore[reportMissingImports]  (an optional dependency)
    except ImportError:
        raise UsageError(
            "export: EXR files need one more package, OpenImageIO: pip install 'vos[deliver]', or "
            "choose png-matte"
        ) from None
    return OpenImageIO


def group_layers(shot: Shot) -> dict[str, list[Target]]:
    """Return the layers of each file by its stem."""
    files: dict[str, list[Target]] = {}
    for target in shot.targets:
        files.setdefault(target.stem, []).append(target)
    return files


def pack_timecode(shot: Shot, frame_idx: int) -> int | None:
    """Return the timecode of a frame as its file holds it; None without one that fits."""
    if shot.timecode is None:
        return None
    timecode = add_frames(shot.timecode, frame_idx - shot.frames.start, shot.rate)
    return None if timecode is None else pack_smpte(timecode)


def fit_rate(rate: Fraction) -> tuple[int, int]:
    """Return the two whole numbers of a rate, as a file holds it."""
    fitting = rate.limit_denominator(2**16)
    return fitting.numerator, fitting.denominator


class ExrFiles(Delivery):
    """One EXR per frame and stem; each thread compresses a frame."""

    pixel_format: str
    """What OpenImageIO calls the type of its channels."""

    def __init__(self, folder: Path, shot: Shot) -> None:
        self._oiio = import_openimageio()
        self._folder, self._shot = folder, shot
        self._files = group_layers(shot)
        self.warnings: list[str] = []
        if any(pack_timecode(shot, one) is None for one in shot.frames) and shot.timecode:
            self.warnings.append(
                f"some frames have no timecode: EXR counts 40 frames a second at most, and the "
                f"clip has {float(shot.rate):g}"
            )
        # Several files at once keep two processors busier than the threads of one file do.
        self._oiio.attribute("exr_threads", -1)
        self._workers = Workers()
        self._unsafe: list[Path] = []  # whatever is not yet flushed to the disk: that takes long

    @abstractmethod
    def list_channels(self, layers: Sequence[Target]) -> list[str]:
        """List the channels of a file, the same on every frame."""

    @abstractmethod
    def draw(self, mattes: Sequence[np.ndarray], layers: Sequence[Target]) -> np.ndarray:
        """Make some rows of a file, H x W x channels, of the mattes of its layers there."""

    def list_attributes(self, layers: Sequence[Target]) -> Mapping[str, str]:  # noqa: ARG002
        """List what the header of a file says besides rate, timecode and pixel aspect."""
        return {}

    def write(self, frame: ShotFrame) -> None:
        for stem, layers in self._files.items():
            name = numbered(stem, self._shot.number(frame.frame_idx))
            path = self._folder / f"{name}{SUFFIX}"
            self._workers.submit(partial(self._write, path, frame, layers))

    def flush(self) -> None:
        self._workers.wait()
        for path in self._unsafe:
            with path.open("rb") as file:
                os.fsync(file.fileno())
        self._unsafe.clear()

    def _finish(self) -> None:
        self._workers.close()
        self.flush()

    def _abandon(self) -> None:
        self._workers.abandon()

    def _write(self, path: Path, frame: ShotFrame, layers: Sequence[Target]) -> None:
        path.touch(exist_ok=False)
        mattes = [frame.matte(target) for target in layers]
        output = self._oiio.ImageOutput.create("openexr")
        is_written = output.open(str(path), self._describe(frame.frame_idx, layers))
        height = self._shot.size_hw[0]
        for top in range(0, height, _ROWS):
            bottom = min(top + _ROWS, height)
            rows = self.draw([one[top:bottom] for one in mattes], layers)
            is_written = is_written and output.write_scanlines(top, bottom, 0, rows)
        if not (output.close() and is_written):
            _raise_reason(path, output.geterror())
        self._unsafe.append(path)

    def _describe(self, frame_idx: int, layers: Sequence[Target]) -> Any:
        oiio, shot = self._oiio, self._shot
        channels = self.list_channels(layers)
        height, width = shot.size_hw
        spec = oiio.ImageSpec(width, height, len(channels), self.pixel_format)
        spec.channelnames = channels
        spec.attribute("compression", shot.compression)
        spec.attribute(RATE, oiio.TypeRational, fit_rate(shot.rate))
        spec.attribute(ASPECT, float(shot.pixel_aspect))
        if (timecode := pack_timecode(shot, frame_idx)) is not None:
            spec.attribute(TIMECODE, oiio.TypeTimeCode, (timecode, 0))
        for name, text in self.list_attributes(layers).items():
            spec.attribute(name, text)
        return spec


class MatteExrs(ExrFiles):
    """A half-float layer per object with one channel, `dog1.A`: 1 where the object is."""

    pixel_format = "half"

    def list_channels(self, layers: Sequence[Target]) -> list[str]:
        return list_matte_channels(layers)

    def draw(self, mattes: Sequence[np.ndarray], layers: Sequence[Target]) -> np.ndarray:  # noqa: ARG002
        return _HALF[np.stack(mattes, axis=-1)]


def list_matte_channels(layers: Sequence[Target]) -> list[str]:
    """List the channels of a file of mattes."""
    return [f"{target.layer}{CHANNEL}" for target in layers]


def _raise_reason(path: Path, said: str) -> None:
    """Raise the OSError behind a write that failed: OpenImageIO says that it did, not why."""
    with path.open("ab") as file:
        file.write(bytes(_PROBE_BYTES))
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(OSError):
        path.unlink()
    raise OSError(errno.EIO, said or "OpenImageIO could not write it")
