"""The overlay of a track without end: one video after the other, each finished by itself."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from vos.frame import Frame, FrameResult
from vos.io.disk import output_errors
from vos.io.results.checkpoints import SavedState
from vos.io.write.live.rolling import Expiring
from vos.io.write.overlay.sink import OverlaySink
from vos.io.write.sink import Sink

PART_S = Fraction(60)
"""Seconds of each video; less where less is kept."""

_TICK = Fraction(1, 90_000)


class OverlayPartsSink(Sink):
    """A sink for overlay videos of a minute each in `folder`, called after their first frame.

    rate: frames per second, about; None where the source does not say.
    pixel_aspect, device: as in `OverlaySink`.
    keep_s: seconds before the newest frame for which videos stay; None keeps all.
    """

    name = "overlay"

    def __init__(
        self,
        folder: Path,
        *,
        rate: Fraction | None,
        pixel_aspect: Fraction,
        device: str,
        keep_s: Fraction | None = None,
    ) -> None:
        super().__init__()
        self._folder, self._rate = folder, rate
        self._pixel_aspect, self._device = pixel_aspect, device
        self._part_s = PART_S if keep_s is None else min(PART_S, max(keep_s / 4, Fraction(1)))
        self._expiring = Expiring(keep_s)
        self._open: OverlaySink | None = None
        self._path = folder
        self._begun = self._last = Fraction(0)
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def write(self, frame: Frame, result: FrameResult) -> None:
        if self._open is not None and frame.pts - self._begun >= self._part_s:
            self._close_part()
        if self._open is None:
            self._path = self._folder / f"{frame.name}.mp4"
            self._begun = frame.pts
            self._open = OverlaySink(
                self._path,
                time_base=_TICK,
                frame_rate=self._rate,
                pixel_aspect=self._pixel_aspect,
                device=self._device,
            )
        self._open.write(frame, result)
        self._last = frame.pts
        if self._expiring.is_due(frame.pts):
            self._expiring.delete_old(frame.pts)

    def checkpoint(self) -> SavedState:
        raise ValueError("overlay: that of a live source has no checkpoints")

    def _close_part(self) -> None:
        assert self._open is not None
        part, self._open = self._open, None
        part.close()
        self.warnings += [text for text in part.warnings if text not in self.warnings]
        self._expiring.add(self._last, [self._path])

    def _finish(self) -> None:
        if self._open is not None:
            self._close_part()

    def _abandon(self) -> None:
        if self._open is not None:
            self._open.abandon()
