"""The output folder of a batch: what is where, who may write, and what is known of each clip.

clips/NAME/        as `vos track` leaves it
logs/NAME.log      what was said while tracking it
status/NAME.json   how it went; NAME.jpg: a strip of thumbnails
report.json, report.html
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Literal

from vos.bounded import parse_json, read_text
from vos.config import from_mapping
from vos.errors import ConfigError, OutputError
from vos.io.disk import output_errors, take_lock
from vos.io.inside import Inside
from vos.io.paths import display_name

ATTEMPTS = 3
"""How often a clip whose worker dies is tried."""

CLIPS_NAME = "clips"
FOLDERS = (CLIPS_NAME, "logs", "status")
EXIT_SOME_FAILED = 4
_WORKERS_STOP_S = 60.0

State = Literal["done", "failed"]


@dataclass(frozen=True, slots=True)
class ClipResult:
    """How one clip went.

    name: of the clip.
    state: "done" or "failed".
    reason: why it failed, one line; None for a clip that is done.
    exit_code: that of `vos track` for this failure, 0 for a clip that is done.
    was_there: whether an earlier run finished it and it was left alone.
    frames: how many its output has.
    seconds: of the run that made it, loading included; None where nothing was tracked, or that run
        was killed before it could write them down.
    frames_per_s: of tracking alone; None where nothing was tracked.
    warnings: what went less than well, a line each.
    low_scores: one line per stretch of frames to look at.
    delivered: the exports that are beside it, paths from the batch's folder.
    model: the name of the model that made it.
    worker: the name of the worker that had it.
    attempts: 2 where a worker died once, and so on.
    """

    name: str
    state: State
    reason: str | None = None
    exit_code: int = 0
    was_there: bool = False
    frames: int = 0
    seconds: float | None = None
    frames_per_s: float | None = None
    warnings: tuple[str, ...] = ()
    low_scores: tuple[str, ...] = ()
    delivered: tuple[str, ...] = ()
    model: str | None = None
    worker: str = ""
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class BatchFolder:
    """The output folder of a batch.

    root: where it is.
    shard: 0-based index and count, None for a whole batch.
    """

    root: Path
    shard: tuple[int, int] | None = None

    def output(self, name: str) -> Path:
        return self.root / CLIPS_NAME / name

    def log(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    def status(self, name: str) -> Path:
        return self.root / "status" / f"{name}.json"

    def thumbnails(self, name: str) -> Path:
        return self.root / "status" / f"{name}.jpg"

    def report(self, suffix: str) -> Path:
        return self.root / f"report{self._part}{suffix}"

    @property
    def workers_lock(self) -> Path:
        """Return the lock file that every worker of this batch holds, shared, while it lives."""
        return self.root / f".workers{self._part}.lock"

    @property
    def _part(self) -> str:
        return "" if self.shard is None else f"-{self.shard[0] + 1}-of-{self.shard[1]}"

    def make(self) -> None:
        """Make the folders. Raises OutputError, also where one is a link to another place."""
        with output_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            for name in FOLDERS:
                Inside(self.root).make_folder(name)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder against other batches; shards of one batch do not shut each other out.

        Waits for workers that a killed batch left behind to stop.

        Raises OutputError if another batch holds it.
        """
        with contextlib.ExitStack() as stack, output_errors(self.root):
            whole = stack.enter_context(open_lock(self.root / ".batch.lock"))
            _hold(whole, self.root, is_shared=self.shard is not None)
            if self.shard is not None:
                own = stack.enter_context(open_lock(self.root / f".batch{self._part}.lock"))
                _hold(own, self.root, is_shared=False)
            with open_lock(self.workers_lock) as workers:
                _hold(workers, self.root, is_shared=False, wait_s=_WORKERS_STOP_S)
            if self.shard is None:  # nobody else is writing
                self._remove_half_written()
            yield

    def _remove_half_written(self) -> None:
        inside = Inside(self.root)
        for folder in (".", *FOLDERS):
            for file in inside.half_written(folder):
                inside.remove(file)

    def free_bytes(self) -> int:
        """Return the room left where the folder is, or would be."""
        place = next(place for place in (self.root, *self.root.parents) if place.exists())
        return shutil.disk_usage(place).free

    def write_result(self, result: ClipResult) -> None:
        text = json.dumps(asdict(result), indent=1, ensure_ascii=False)
        self.write(self.status(result.name), text.encode("utf-8", "surrogateescape"))

    def write(self, path: Path, data: bytes) -> None:
        """Write a file of the batch's own. Raises OutputError."""
        with output_errors(path):
            Inside(self.root).write(path, data)

    def read_result(self, name: str) -> ClipResult | None:
        """Read how a clip went; None where nothing is known, or this version cannot read it."""
        try:
            text = read_text(self.status(name), errors="surrogateescape")
            return from_mapping(ClipResult, parse_json(text))
        except (OSError, ValueError, ConfigError):
            return None


def open_lock(path: Path) -> IO[str]:
    """Open a lock file, which is made where it is missing and otherwise left as it is."""
    handle = Inside(path.parent).open(path.name, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    return os.fdopen(handle, "r+")


def hold_shared(path: Path) -> IO[str]:
    """Open and hold a lock file together with others, until it is closed."""
    file = open_lock(path)
    take_lock(file, is_shared=True)
    return file


def _hold(file: IO[str], root: Path, *, is_shared: bool, wait_s: float = 0.0) -> None:
    until = time.monotonic() + wait_s
    while not take_lock(file, is_shared=is_shared):
        if time.monotonic() >= until:
            raise OutputError(
                f"{display_name(root)}: another vos batch is writing here: wait for it, choose "
                "another -o, or give each its --shard i/n"
            )
        time.sleep(0.1)
