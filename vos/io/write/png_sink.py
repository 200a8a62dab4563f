"""What sinks of PNGs have in common: threads that encode, and a list of what is written."""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from vos.bounded import parse_json
from vos.errors import OutputError, ResumeError
from vos.frame import Frame, FrameResult
from vos.io.disk import output_errors, sync_folder
from vos.io.paths import display_name
from vos.io.results.append_file import AppendFile
from vos.io.results.checkpoints import SavedState, as_count
from vos.io.write.sink import Sink

Encode = Callable[[np.ndarray], bytes]

_MOST_THREADS = 4
"""Threads that encode, where there are as many cores; one alone does about 100 1080p masks a
second, fewer than a model on a GPU gives."""

_FRAMES = "frames"


class PngSink(Sink):
    """A sink for PNGs in `folder`, which is made if missing; what each frame has, a subclass says.

    A few threads encode and write, one frame each at a time. Files are made, and noted in the list
    of what is written, in the order of the frames. What goes wrong in a thread is raised by the
    next `write`, by `checkpoint` or by `close`, and by every one after it.

    what: one of its files, in messages.
    work: folder for the list of what is written, which checkpoints need; None for a sink without.
    resume: an earlier sink's state; files written after it are removed.

    Raises OutputError also when two frames have the same name: one would replace the other.
    ResumeError when files are missing or of another size.
    """

    what = ""

    def __init__(
        self, folder: Path, *, work: Path | None = None, resume: SavedState | None = None
    ) -> None:
        super().__init__()
        self._folder = folder
        self._unsafe: list[Path] = []
        self._threads = min(_MOST_THREADS, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self._threads, f"vos-{self.name}")
        self._encoding: deque[tuple[list[Path], Future[list[int]]]] = deque()
        self._frames = self._kept = 0
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._written: AppendFile | None = None
        if work is not None:
            self._written = AppendFile(work / f"{self.name}.jsonl", resume and resume.values)
        if resume is not None:
            try:
                self._frames = as_count(resume.values[_FRAMES])
                self._keep_only_written()
            except BaseException:
                self.abandon()
                raise

    @abstractmethod
    def _files(self, frame: Frame, result: FrameResult) -> Sequence[tuple[str, np.ndarray]]:
        """Return the name of each of the frame's files, in `folder`, and its pixels."""

    @abstractmethod
    def _encode(self, pixels: np.ndarray) -> bytes:
        """Encode a file's pixels; several threads do so at once."""

    def write(self, frame: Frame, result: FrameResult) -> None:
        self._check(frame, result)
        while self._encoding and (self._encoding[0][1].done() or self._is_busy()):
            self._note_first()
        files = self._places(frame, result)
        for path, _ in files:
            with output_errors(path):
                try:
                    path.parent.mkdir(exist_ok=True)
                    path.touch(exist_ok=False)
                except FileExistsError:
                    raise OutputError(
                        f"{display_name(path.name)}: two frames have this name (frame "
                        f"{frame.frame_idx} is the second); each {self.what} needs its own: rename "
                        "the images"
                    ) from None
        encoded = self._pool.submit(_write_all, files, self._encode)
        self._encoding.append(([path for path, _ in files], encoded))

    def files(self, frame: Frame, result: FrameResult) -> list[Path]:
        """Return the files of a frame, written or to come."""
        return [path for path, _ in self._places(frame, result)]

    def settle(self) -> None:
        """Wait until the files of every frame so far are written."""
        self._drain()

    def checkpoint(self) -> SavedState:
        if self._written is None:
            raise ValueError("a sink without a work folder has no checkpoints")
        self._drain()
        for path in self._unsafe:
            with output_errors(path), path.open("rb") as file:
                os.fsync(file.fileno())
        for folder in sorted({self._folder, *(path.parent for path in self._unsafe)}):
            sync_folder(folder)
        self._unsafe.clear()
        return SavedState({**self._written.sync(), _FRAMES: self._frames})

    def check_resumed(self, count: int, last_frame: int) -> None:
        if self._frames != count:
            raise ValueError(
                f"{self.name} of {self._frames} frames are saved, not of {count} up to frame "
                f"{last_frame}"
            )

    def _places(self, frame: Frame, result: FrameResult) -> list[tuple[Path, np.ndarray]]:
        return [(self._folder / name, pixels) for name, pixels in self._files(frame, result)]

    def _keep_only_written(self) -> None:
        assert self._written is not None
        found = (path for path in self._folder.rglob("*") if not path.is_dir())
        sizes = {path.relative_to(self._folder).as_posix(): path.lstat().st_size for path in found}
        for line in self._written.read(0, self._written.length).splitlines():
            name, size = parse_json(line)
            if sizes.pop(name, None) != size:
                raise ResumeError(f"{display_name(name)}: the {self.what} is missing or damaged")
            self._kept += 1
        for name in sizes:
            (self._folder / name).unlink()

    def _is_busy(self) -> bool:
        return len(self._encoding) >= self._threads

    def _drain(self) -> None:
        """Wait until every file is written."""
        while self._encoding:
            self._note_first()

    def _note_first(self) -> None:
        """Wait for the oldest frame; one that failed stays, so that nothing after it counts."""
        paths, encoded = self._encoding[0]
        sizes = encoded.result()
        self._encoding.popleft()
        self._frames += 1
        if self._written is None:
            return
        for path, size in zip(paths, sizes, strict=True):
            name = path.relative_to(self._folder).as_posix()
            self._written.append(json.dumps([name, size]).encode() + b"\n")
            self._unsafe.append(path)

    def _finish(self) -> None:
        try:
            self._drain()
            if self._written is not None:
                self.checkpoint()
        finally:
            self._abandon()

    def _abandon(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        if self._written is not None:
            self._written.abandon()


def _write_all(files: Sequence[tuple[Path, np.ndarray]], encode: Encode) -> list[int]:
    """Write a frame's files; return how many bytes each has."""
    sizes = []
    for path, pixels in files:
        data = encode(pixels)
        with output_errors(path):
            path.write_bytes(data)
        sizes.append(len(data))
    return sizes
