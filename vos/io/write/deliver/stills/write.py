"""Deliveries of one PNG per frame and target."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from pathlib import Path

import numpy as np

from vos.io.write.deliver.format import Delivery, Shot, ShotFrame, Target
from vos.io.write.deliver.names import numbered
from vos.io.write.deliver.stills.png import encode_png, write_new
from vos.io.write.deliver.workers import Workers

SUFFIX = ".png"


class _Pngs(Delivery):
    def __init__(self, folder: Path, shot: Shot) -> None:
        self._folder, self._shot = folder, shot
        self._workers = Workers()
        self.warnings: list[str] = []

    def write(self, frame: ShotFrame) -> None:
        for target in self._shot.targets:
            self._workers.submit(partial(self._write_one, frame, target))

    def flush(self) -> None:
        self._workers.wait()

    def _write_one(self, frame: ShotFrame, target: Target) -> None:
        image = self._draw(frame.image, frame.matte(target))
        stem = numbered(target.stem, self._shot.number(frame.frame_idx))
        write_new(self._folder / f"{stem}{SUFFIX}", encode_png(image))

    @abstractmethod
    def _draw(self, image: np.ndarray | None, matte: np.ndarray) -> np.ndarray:
        """Make what is written of one target on one frame."""

    def _finish(self) -> None:
        self._workers.close()

    def _abandon(self) -> None:
        self._workers.abandon()


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
