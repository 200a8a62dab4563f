"""Where results go. A sink takes frames and their masks one at a time and keeps no history.

A sink can be continued in another process: `checkpoint` says what is safe on the disk, and a sink
made with that state as `resume` writes the same output as one that was never interrupted.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from vos.errors import OutputError, ResumeError
from vos.frame import Frame, FrameResult
from vos.io.disk import output_errors, sync_folder
from vos.io.paths import display_name
from vos.io.results.append_file import AppendFile
from vos.io.results.checkpoints import SavedState
from vos.io.write.mask_png import encode_label_png


class Sink(Protocol):
    """A context manager that writes one kind of output.

    Leaving it normally finishes the output as `close` does; leaving it on an exception only frees
    what it holds, so that the first error is the one that is seen, and leaves its files for a sink
    that resumes.
    """

    @property
    def name(self) -> str:
        """What `--save` calls it."""
        ...

    @property
    def replay_from(self) -> int | None:
        """Frame index from which a resumed sink must see the written frames again, if any."""
        ...

    def replay(self, frame: Frame) -> None:
        """Take up a frame that was written before the checkpoint; its masks are remembered."""
        ...

    def checkpoint(self) -> SavedState:
        """Put all written so far beyond the reach of a power cut. Raises OutputError."""
        ...

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

    name = ""
    replay_from: int | None = None

    def replay(self, frame: Frame) -> None:
        raise ValueError(f"{self.name}: no frame is to be seen again: {frame.frame_idx=}")

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

    work: folder for the list of what is written, which checkpoints need; None for a sink without.
    resume: an earlier sink's state; masks written after it are removed.

    Raises OutputError also when two frames have the same name: one would replace the other.
    ResumeError when masks are missing or of another size.
    """

    name = "masks"

    def __init__(
        self, folder: Path, *, work: Path | None = None, resume: SavedState | None = None
    ) -> None:
        super().__init__()
        self._folder = folder
        self._unsafe: list[Path] = []
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._written: AppendFile | None = None
        if work is not None:
            self._written = AppendFile(work / "masks.jsonl", resume and resume.values)
        if resume is not None:
            try:
                self._keep_only_written()
            except BaseException:
                self._abandon()
                raise

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
        if self._written is not None:
            self._written.append(json.dumps([path.name, len(data)]).encode() + b"\n")
            self._unsafe.append(path)

    def checkpoint(self) -> SavedState:
        if self._written is None:
            raise ValueError("a sink without a work folder has no checkpoints")
        for path in self._unsafe:
            with output_errors(path), path.open("rb") as file:
                os.fsync(file.fileno())
        self._unsafe.clear()
        sync_folder(self._folder)
        return SavedState(self._written.sync())

    def _keep_only_written(self) -> None:
        assert self._written is not None
        sizes = {entry.name: entry.stat().st_size for entry in os.scandir(self._folder)}
        for line in self._written.read(0, self._written.length).splitlines():
            name, size = json.loads(line)
            if sizes.pop(name, None) != size:
                raise ResumeError(f"{display_name(name)}: the mask is missing or damaged")
        for name in sizes:
            (self._folder / name).unlink()

    def _finish(self) -> None:
        if self._written is not None:
            self.checkpoint()
            self._written.close()

    def _abandon(self) -> None:
        if self._written is not None:
            self._written.abandon()
