"""What deliveries share that write a text per target, frame after frame."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TextIO

from vos.io.write.deliver.format import Delivery, Shot


class TextDelivery(Delivery):
    """A text per target, `{stem}{suffix}`, flushed to the disk at the end."""

    suffix: str
    encoding = "utf-8"
    newline = "\n"

    def __init__(self, folder: Path, shot: Shot) -> None:
        self.warnings: list[str] = []
        self._shot = shot
        self._files: list[TextIO] = []
        try:
            for target in shot.targets:
                path = folder / f"{target.stem}{self.suffix}"
                self._files.append(path.open("x", encoding=self.encoding, newline=self.newline))
        except BaseException:
            self._abandon()
            raise

    def _end(self, file: TextIO) -> None:
        """Write what closes a text."""

    def _finish(self) -> None:
        try:
            for file in self._files:
                self._end(file)
                file.flush()
                os.fsync(file.fileno())
        finally:
            self._abandon()

    def _abandon(self) -> None:
        for file in self._files:
            file.close()
