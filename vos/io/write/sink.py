"""What every sink offers: frames and results go in, files come out."""

from __future__ import annotations

from abc import abstractmethod

from vos.frame import Frame, FrameResult
from vos.io.closing import Closing
from vos.io.results.checkpoints import SavedState


class Sink(Closing):
    """A context manager that writes one kind of output.

    Leaving it normally finishes the output as `close` does. Leaving it on an exception only frees
    what it holds, and leaves its files for a sink that resumes.

    name: what `--save` calls it.
    replay_from: frame index from which a resumed sink must see the written frames again, if any.
    warnings: one line each: what could not be kept. Complete once closed.
    """

    name = ""
    replay_from: int | None = None

    def __init__(self) -> None:
        self.warnings: list[str] = []

    @abstractmethod
    def write(self, frame: Frame, result: FrameResult) -> None:
        """Add one frame. Raises OutputError when it cannot be written."""

    @abstractmethod
    def checkpoint(self) -> SavedState:
        """Put all written so far beyond the reach of a power cut. Raises OutputError."""

    def check_resumed(self, count: int, last_frame: int) -> None:
        """Raise ValueError unless a resumed sink holds this many frames, up to this index.

        A sink that knows only one of the two checks that; of no frame yet, the index means nothing.
        """

    def replay(self, frame: Frame) -> None:
        """Draw a frame again that was written before the checkpoint; its masks are remembered."""
        raise ValueError(f"{self.name}: no frame is to be seen again: {frame.frame_idx=}")

    def _check(self, frame: Frame, result: FrameResult) -> None:
        """Raise ValueError unless the sink is open and frame and result belong together."""
        if not self._is_open:
            raise ValueError("this sink is closed")
        if frame.size_hw != result.label_map.shape or frame.frame_idx != result.frame_idx:
            raise ValueError(
                f"frame and result differ: {frame.frame_idx=}, {result.frame_idx=}, "
                f"{frame.size_hw=}, {result.label_map.shape=}"
            )
