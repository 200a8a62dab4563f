"""The output folder of a batch: what is where, who may write, and what is known of each clip.

clips/NAME/        as `vos track` leaves it
logs/NAME.log      what was said while tracking it
status/NAME.json   how it went; NAME.jpg: a strip of thumbnails
report.json, report.html
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Literal

from vos.bounded import parse_json, read_text
from vos.config import from_mapping
from vos.errors import ConfigError, OutputError
from vos.io.disk import output_errors, take_lock, write_atomic
from vos.io.paths import display_name

ATTEMPTS = 3
"""How often a clip whose worker dies is tried."""

FOLDERS = ("clips", "logs", "status")
_WORKERS_STOP_S = 60.0

State = Literal["done", "failed"]


@dataclass(frozen=True, slots=True)
class ClipResult:
    """How one clip went.

    reason: one line, for a failed one. was_there: finished by an earlier run and left alone.
    seconds: of the run that made it, loading included; None where nothing was tracked, or that run
    was killed before it could tell. frames_per_s: of tracking alone. low_scores: one line per
    stretch of frames to look at. attempts: 2 where a worker died once, and so on.
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
    model: str | None = None
    worker: str = ""
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class BatchFolder:
    """The output folder. shard: 0-based index and count, None for a whole batch."""

    root: Path
    shard: tuple[int, int] | None = None

    def output(self, name: str) -> Path:
        return self.root / "clips" / name

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
        """Held, shared, by every worker of this batch for as long as it lives."""
        return self.root / f".workers{self._part}.lock"

    @property
    def _part(self) -> str:
        return "" if self.shard is None else f"-{self.shard[0] + 1}-of-{self.shard[1]}"

    def make(self) -> None:
        """Make the folders. Raises OutputError, also where one is a link to another place."""
        with output_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            for name in FOLDERS:
                (self.root / name).mkdir(exist_ok=True)
                check_inside(self.root, self.root / name)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder against other batches; shards of one batch do not shut each other out.

        Waits for workers that a killed batch left behind to stop.

        Raises OutputError if another batch holds it.
        """
        with contextlib.ExitStack() as stack, output_errors(self.root):
            whole = stack.enter_context((self.root / ".batch.lock").open("a"))
            _hold(whole, self.root, is_shared=self.shard is not None)
            if self.shard is not None:
                own = (self.root / f".batch{self._part}.lock").open("a")
                _hold(stack.enter_context(own), self.root, is_shared=False)
            with self.workers_lock.open("a") as workers:
                _hold(workers, self.root, is_shared=False, wait_s=_WORKERS_STOP_S)
            yield

    def free_bytes(self) -> int:
        """Room left where the folder is, or would be."""
        place = next(place for place in (self.root, *self.root.parents) if place.exists())
        return shutil.disk_usage(place).free

    def write_result(self, result: ClipResult) -> None:
        text = json.dumps(asdict(result), indent=1, ensure_ascii=False)
        write_atomic(self.status(result.name), text.encode("utf-8", "surrogateescape"))

    def read_result(self, name: str) -> ClipResult | None:
        """What is known of a clip; None where nothing is, or nothing this version understands."""
        try:
            text = read_text(self.status(name), errors="surrogateescape")
            return from_mapping(ClipResult, parse_json(text))
        except (OSError, ValueError, ConfigError):
            return None


def check_inside(root: Path, path: Path) -> None:
    """Raises OutputError if `path`, below `root`, is or goes through a symbolic link."""
    for place in (path, *path.parents):
        if place == root:
            return
        if place.is_symlink():
            raise OutputError(
                f"{display_name(place)}: is a link, and nothing is written outside the batch's "
                "folder: remove it"
            )
    raise OutputError(f"{display_name(path)}: is not inside {display_name(root)}; choose a name")


def hold_shared(path: Path) -> IO[str]:
    """Open and hold a lock file together with others, until it is closed."""
    file = path.open("a")
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
