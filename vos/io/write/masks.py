"""Masks as palette PNGs, one per frame."""

from __future__ import annotations

import json
import os
from pathlib import Path

from vos.bounded import parse_json
from vos.errors import OutputError, ResumeError
from vos.frame import Frame, FrameResult
from vos.io.disk import output_errors, sync_folder
from vos.io.paths import display_name
from vos.io.results.append_file import AppendFile
from vos.io.results.checkpoints import SavedState
from vos.io.write.mask_png import encode_label_png
from vos.io.write.sink import Sink


class MaskSink(Sink):
    """A sink for palette PNGs `<frame name>.png` in `folder`, which is made if missing.

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

    def _finish(self) -> None:
        if self._written is not None:
            self.checkpoint()
            self._written.close()

    def _abandon(self) -> None:
        if self._written is not None:
            self._written.abandon()
