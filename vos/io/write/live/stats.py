"""Numbers per frame and object of a live source: with when each frame came, and rolling."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import deque
from fractions import Fraction
from pathlib import Path
from typing import Any

from vos.frame import Frame, FrameResult
from vos.io.disk import output_errors
from vos.io.live.source import LiveFrame
from vos.io.results.checkpoints import SavedState
from vos.io.write.sink import Sink
from vos.io.write.stats import make_rows
from vos.io.write.stats_file import encode_row

_LEAST_BYTES = 2**16


class LiveStatsSink(Sink):
    """A sink for `stats.jsonl` whose rows say when their frame came.

    Rows have two keys more than those of `StatsSink`: received_at (UTC, ISO 8601, to a millisecond)
    and dropped_before (frames that came between the frame before and this one and were dropped).

    keep_s: seconds before the newest frame for which rows stay, about: the file is written anew
        once half of it is older. None keeps all.
    """

    name = "stats"

    def __init__(self, path: Path, keep_s: Fraction | None = None) -> None:
        super().__init__()
        self._path, self._keep_s = path, keep_s
        with output_errors(path):
            self._file = path.open("wb")
        self._bytes = 0
        self._frames: deque[tuple[Fraction, int]] = deque()
        self._old_bytes = 0

    def write(self, frame: Frame, result: FrameResult) -> None:
        self._check(frame, result)
        data = b"".join(encode_row(row) for row in _live_rows(frame, result))
        with output_errors(self._path):
            self._file.write(data)
            self._file.flush()  # for whoever looks on, and so that a killed run loses nothing
        self._bytes += len(data)
        if self._keep_s is None:
            return
        self._frames.append((frame.pts, len(data)))
        while frame.pts - self._frames[0][0] > self._keep_s:
            self._old_bytes += self._frames.popleft()[1]
        if self._old_bytes > max(self._bytes / 2, _LEAST_BYTES):
            self._cut()

    def checkpoint(self) -> SavedState:
        raise ValueError("stats: those of a live source have no checkpoints")

    def _cut(self) -> None:
        """Write the file anew without the rows that are too old."""
        new = self._path.with_name(f".{self._path.name}.new")
        with output_errors(self._path):
            self._file.close()
            with self._path.open("rb") as old, new.open("wb") as file:
                old.seek(self._old_bytes)
                shutil.copyfileobj(old, file)
            new.replace(self._path)
            self._file = self._path.open("ab")
        self._bytes -= self._old_bytes
        self._old_bytes = 0

    def _finish(self) -> None:
        try:
            if self._old_bytes:
                self._cut()
            with output_errors(self._path):
                os.fsync(self._file.fileno())
        finally:
            self._abandon()

    def _abandon(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()


def _live_rows(frame: Frame, result: FrameResult) -> list[dict[str, Any]]:
    rows = make_rows(result)
    if not isinstance(frame, LiveFrame):
        return rows
    more = {"received_at": frame.received_at, "dropped_before": frame.dropped_before}
    return [{**row, **more} for row in rows]
