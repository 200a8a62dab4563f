"""Deliveries of one PNG per frame and target."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

import numpy as np

from vos.io.write.deliver.format import Delivery, Shot, ShotFrame
from vos.io.write.deliver.names import numbered
from vos.io.write.deliver.png import encode_png, write_new

SUFFIX = ".png"


class _Pngs(Delivery):
    def __init__(self, folder: Path, shot: Shot) -> None:
        self._folder, self._shot = folder, shot
        self.warnings: list[str] = []

    def write(self, frame: ShotFrame) -> None:
        number = self._shot.number(frame.frame_idx)
        for target in self._shot.targets:
            image = self._draw(frame.image, frame.matte(target))
            path = self._folder / f"{numbered(target.stem, number)}{SUFFIX}"
            write_new(path, encode_png(image))

    @abstractmethod
    def _draw(self, image: np.ndarray | None, matte: np.ndarray) -> np.ndarray:
        """Make what is written of one target on one frame."""

    def _finish(self) -> None:
        """Nothing is open between frames."""


class MattePngs(_Pngs):
    """Grey PNGs of 8 or 16 bits: white where the object is."""

    def _draw(self, image: np.ndarray | None, matte: np.ndarray) -> np.ndarray:  # noqa: ARG002
        if self._shot.bits == 16:
            return matte.astype(np.uint16) * 257
        return matte


class CutoutPngs(_Pngs):
    """The source's pixels with the matte as straight alpha; colours under it stay as they are."""

    def _draw(self, image: np.ndarray | None, matte: np.ndarray) -> np.ndarray:
        assert image is not None
        return np.dstack([image, matte])
