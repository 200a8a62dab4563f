"""Output of a track without end: only the newest of it stays, so that the disk does not fill."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from vos.frame import Frame, FrameResult
from vos.io.disk import output_errors
from vos.io.results.checkpoints import SavedState
from vos.io.write.png_sink import PngSink
from vos.io.write.sink import Sink

_BATCH = 10
"""Old files go together once they cover so small a part of what is kept: a tenth."""


class Expiring:
    """Files by the time they show, oldest first, which are deleted when they are too old.

    keep_s: seconds before the newest time for which files stay; None keeps all.
    """

    def __init__(self, keep_s: Fraction | None) -> None:
        self._keep_s = keep_s
        self._files: deque[tuple[Fraction, Sequence[Path]]] = deque()

    def add(self, pts: Fraction, paths: Sequence[Path]) -> None:
        """Note files that show this time, later than all before."""
        if self._keep_s is not None:
            self._files.append((pts, paths))

    def is_due(self, now: Fraction) -> bool:
        """Tell whether so much is too old that it is worth to delete it."""
        if self._keep_s is None or not self._files:
            return False
        return now - self._files[0][0] > self._keep_s + self._keep_s / _BATCH

    def delete_old(self, now: Fraction) -> None:
        """Delete the files that are older than what is kept."""
        assert self._keep_s is not None
        while self._files and now - self._files[0][0] > self._keep_s:
            _, paths = self._files.popleft()
            for path in paths:
                with output_errors(path):
                    path.unlink(missing_ok=True)


class RollingPngSink(Sink):
    """A sink that writes with another one and deletes what has become too old.

    sink: writes the files; it is closed with this one.
    keep_s: as in `Expiring`.
    """

    def __init__(self, sink: PngSink, keep_s: Fraction) -> None:
        super().__init__()
        self.name = sink.name
        self._sink = sink
        self._expiring = Expiring(keep_s)

    def write(self, frame: Frame, result: FrameResult) -> None:
        self._sink.write(frame, result)
        self._expiring.add(frame.pts, self._sink.files(frame, result))
        if self._expiring.is_due(frame.pts):
            self._sink.settle()  # what is still being written would come after its deletion
            self._expiring.delete_old(frame.pts)

    def checkpoint(self) -> SavedState:
        raise ValueError(f"{self.name}: a rolling output has no checkpoints")

    def _finish(self) -> None:
        self._sink.close()

    def _abandon(self) -> None:
        self._sink.abandon()
