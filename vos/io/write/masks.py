"""Masks as palette PNGs, one per frame."""

from __future__ import annotations

import numpy as np

from vos.frame import Frame, FrameResult
from vos.io.write.mask_png import encode_label_png
from vos.io.write.png_sink import PngSink


class MaskSink(PngSink):
    """A sink for palette PNGs `<frame name>.png`, one per frame."""

    name = "masks"
    what = "mask"

    def check_resumed(self, count: int, last_frame: int) -> None:
        if self._kept != count:
            raise ValueError(f"{self._kept} masks are saved, not {count} up to frame {last_frame}")

    def _files(self, frame: Frame, result: FrameResult) -> list[tuple[str, np.ndarray]]:
        return [(f"{frame.name}.png", result.label_map)]

    def _encode(self, pixels: np.ndarray) -> bytes:
        return encode_label_png(pixels)
