"""The folders and the environment of one acceptance run."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

VOS = (sys.executable, "-m", "vos_cli")
MARK = "VOS_ACCEPTANCE_RUN"
"""Environment variable by which the processes of a run are found."""


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one acceptance run.

    root: holds all of them.
    real: real videos to take part, None without.
    watched: where nothing may be written.
    """

    root: Path
    real: Path | None

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def manifest(self) -> Path:
        return self.root / "footage" / "shots.jsonl"

    @property
    def watched(self) -> list[Path]:
        own = [self.root / name for name in ("footage", "here", "home", "tmp")]
        return own if self.real is None else [*own, self.real]

    def environ(self, mark: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VOS_")}
        return kept | {
            MARK: mark,
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "OMP_NUM_THREADS": "1",  # the last bits of a mask depend on the number of threads
            "VOS_CHECKPOINT_S": "0.5",
        }
