"""Masks as palette PNGs, one per frame."""

from __future__ import annotations

import json
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from vos.bounded import parse_json
from vos.errors import OutputError, ResumeError
from vos.frame import Frame, FrameResult
from vos.io.disk import output_errors, sync_folder
from vos.io.paths import display_name
from vos.io.results.append_file import AppendFile
from vos.io.results.checkpoints import SavedState
from vos.io.write.mask_png import encode_label_png
from vos.io.write.sink import Sink

_MOST_THREADS = 4
"""Threads that encode masks, where there are as many cores; one alone does about 100 1080p frames
a second, fewer than a model on a GPU gives."""


class MaskSink(Sink):
    """A sink for palette PNGs `<frame name>.png` in `folder`, which is made if missing.

    A few threads encode and write the masks, one each at a time. Files are made, and noted in the
    list of what is written, in the order of the frames. What goes wrong in a thread is raised by
    the next `write`, by `checkpoint` or by `close`, and by every one after it.

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
        self._threads = min(_MOST_THREADS, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self._threads, "vos-masks")
        self._encoding: deque[tuple[Path, Future[int]]] = deque()
        self._kept = 0
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._written: AppendFile | None = None
        if work is not None:
            self._written = AppendFile(work / "masks.jsonl", resume and resume.values)
        if resume is not None:
            try:
                self._keep_only_written()
            except BaseException:
                self.abandon()
                raise

    def write(self, frame: Frame, result: FrameResult) -> None:
        self._check(frame, result)
        while self._encoding and (self._encoding[0][1].done() or self._is_busy()):
            self._note_first()
        path = self._folder / f"{frame.name}.png"
        with output_errors(path):
            try:
                path.touch(exist_ok=False)
            except FileExistsError:
                raise OutputError(
                    f"{display_name(path.name)}: two frames have this name (frame "
                    f"{frame.frame_idx} is the second); each mask needs its own: rename the images"
                ) from None
        self._encoding.append((path, self._pool.submit(_encode, path, result.label_map)))

    def checkpoint(self) -> SavedState:
        if self._written is None:
            raise ValueError("a sink without a work folder has no checkpoints")
        self._drain()
        for path in self._unsafe:
            with output_errors(path), path.open("rb") as file:
                os.fsync(file.fileno())
        self._unsafe.clear()
        sync_folder(self._folder)
        return SavedState(self._written.sync())

    def check_resumed(self, count: int, last_frame: int) -> None:
        if self._kept != count:
            raise ValueError(f"{self._kept} masks are saved, not {count} up to frame {last_frame}")

    def _keep_only_written(self) -> None:
        assert self._written is not None
        sizes = {entry.name: entry.stat().st_size for entry in os.scandir(self._folder)}
        for line in self._written.read(0, self._written.length).splitlines():
            name, size = parse_json(line)
            if sizes.pop(name, None) != size:
                raise ResumeError(f"{display_name(name)}: the mask is missing or damaged")
            self._kept += 1
        for name in sizes:
            (self._folder / name).unlink()

    def _is_busy(self) -> bool:
        return len(self._encoding) >= self._threads

    def _drain(self) -> None:
        """Wait until every mask is written."""
        while self._encoding:
            self._note_first()

    def _note_first(self) -> None:
        """Wait for the oldest mask; one that failed stays, so that nothing after it counts."""
        path, encoded = self._encoding[0]
        size = encoded.result()
        self._encoding.popleft()
        if self._written is not None:
            self._written.append(json.dumps([path.name, size]).encode() + b"\n")
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


def _encode(path: Path, label_map: np.ndarray) -> int:
    """Write a mask into its file; return how many bytes it has."""
    data = encode_label_png(label_map)
    with output_errors(path):
        path.write_bytes(data)
    return len(data)
