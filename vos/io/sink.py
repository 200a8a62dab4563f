"""Where results go. A sink takes frames and their masks one at a time and keeps no history."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from vos.errors import OutputError
from vos.frame import Frame, FrameResult
from vos.io.disk import output_errors
from vos.io.mask_png import encode_label_png
from vos.io.paths import display_name


class Sink(Protocol):
    """A context manager that writes one kind of output.

    Leaving it normally finishes the output as `close` does; leaving it on an exception only frees
    what it holds, so that the first error is the one that is seen.
    """

    @property
    def warnings(self) -> list[str]:
        """One line each: what could not be kept. Complete once closed."""
        ...

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Add one frame. Raises OutputError when it cannot be written."""
        ...

    def close(self) -> None:
        """Finish the output; calling it again does nothing. Raises OutputError."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class SinkBase:
    """The life of a sink: open, then finished or abandoned, once."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._is_open = True

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        elif self._is_open:
            self._is_open = False
            self._abandon()

    def _check(self, frame: Frame, result: FrameResult) -> None:
        if not self._is_open:
            raise ValueError("this sink is closed")
        if frame.size_hw != result.label_map.shape or frame.frame_idx != result.frame_idx:
            raise ValueError(
                f"frame and result differ: {frame.frame_idx=}, {result.frame_idx=}, "
                f"{frame.size_hw=}, {result.label_map.shape=}"
            )

    def _finish(self) -> None:
        """Complete the output and free everything."""

    def _abandon(self) -> None:
        """Free everything; never raises."""


class MaskSink(SinkBase):
    """Palette PNGs `<frame name>.png` in `folder`, which is made if missing.

    Raises OutputError also when two frames have the same name: one would replace the other.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def write(self, frame: Frame, result: FrameResult) -> None:
        self._check(frame, result)
        path = self._folder / f"{frame.name}.png"
        data = encode_label_png(result.label_map)
        with output_errors(path):
            try:
                with path.open("xb") as file:
                    file.write(data)
            except FileExistsError:
                raise OutputError(
                    f"{display_name(path.name)}: two frames have this name (frame "
                    f"{frame.frame_idx} is the second); each mask needs its own: rename the images"
                ) from None
