"""Keep the logits of a backward pass on disk until the frames come in presentation order."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch

from vos.track.compose import ObjectLogits

_HEADER = struct.Struct("<qqqdd")  # frame index, object id, side, predicted IoU, object score


class SpoolFile(Protocol):
    """A file to which bytes are added at the end and which is read anywhere.

    length: its bytes so far.
    """

    length: int

    def append(self, data: bytes) -> int: ...

    def read(self, offset: int, size: int) -> bytes: ...


class LogitSpool:
    """Half-precision logits in a file: 8 kB per object and frame with nano, 128 kB with SAM 2,
    sixteen times that with a refiner that works at full size.

    file: what an earlier spool left in it is found again.
    """

    def __init__(self, file: SpoolFile) -> None:
        self._file = file
        self._offsets: dict[int, list[int]] = {}
        offset = 0
        while offset < file.length:
            frame_idx, _, side, _, _ = _HEADER.unpack(file.read(offset, _HEADER.size))
            self._offsets.setdefault(frame_idx, []).append(offset)
            offset += _HEADER.size + side * side * 2

    def put(self, frame_idx: int, objects: Mapping[int, ObjectLogits]) -> None:
        """Keep one frame's predictions."""
        for object_id, prediction in objects.items():
            side, scores = prediction.logits.shape[-1], prediction.scores
            head = _HEADER.pack(frame_idx, object_id, side, scores.iou_pred, scores.object_score)
            values = prediction.logits.to("cpu", torch.float16).numpy().tobytes()
            self._offsets.setdefault(frame_idx, []).append(self._file.append(head + values))

    def get(self, frame_idx: int) -> dict[int, ObjectLogits]:
        """Return what was kept of that frame; empty if nothing was."""
        found = {}
        for offset in self._offsets.get(frame_idx, []):
            head = _HEADER.unpack(self._file.read(offset, _HEADER.size))
            _, object_id, side, iou_pred, object_score = head
            values = self._file.read(offset + _HEADER.size, side * side * 2)
            logits = np.frombuffer(values, dtype=np.float16).astype(np.float32)
            found[object_id] = ObjectLogits(
                torch.from_numpy(logits).view(1, 1, side, side),
                torch.tensor([iou_pred, object_score]),
            )
        return found
