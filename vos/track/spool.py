"""Logits of a backward pass, kept on disk until the frames come by in presentation order."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from types import TracebackType

import numpy as np
import torch

from vos.frame import ObjectResult
from vos.track.session import ObjectLogits


class LogitSpool:
    """A temporary file of half-precision logits: 8 kB per object and frame with nano, 128 kB with
    SAM 2, sixteen times that with a refiner that works at full size.

    A context manager; the file goes when it closes.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._index: dict[int, list[tuple[int, int, int, ObjectResult]]] = {}

    def put(self, frame_idx: int, objects: Mapping[int, ObjectLogits]) -> None:
        """Keep one frame's answers."""
        rows = self._index.setdefault(frame_idx, [])
        for object_id, answer in objects.items():
            offset = self._file.seek(0, 2)
            side = answer.logits.shape[-1]
            self._file.write(answer.logits.to("cpu", torch.float16).numpy().tobytes())
            rows.append((object_id, offset, side, answer.scores))

    def get(self, frame_idx: int) -> dict[int, ObjectLogits]:
        """What was kept of that frame; empty if nothing was."""
        found = {}
        for object_id, offset, side, scores in self._index.get(frame_idx, []):
            self._file.seek(offset)
            values = np.frombuffer(self._file.read(side * side * 2), dtype=np.float16)
            logits = torch.from_numpy(values.astype(np.float32)).view(1, 1, side, side)
            found[object_id] = ObjectLogits(logits, scores)
        return found

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> LogitSpool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
