"""What one input is: files in an empty folder, and the command that reads them there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fuzz.damage import Damage
from benchmarks.fuzz.good_files import GoodFiles


@dataclass(frozen=True, slots=True)
class Command:
    """One command line.

    arguments: what comes after `vos`.
    writes: the output in the working folder; None for a command that only looks.
    """

    arguments: list[str]
    writes: str | None = None

    def may_write(self, name: str) -> bool:
        """Tell whether an entry of the working folder belongs to the output."""
        return self.writes is not None and (
            name == self.writes or name.startswith(f".{self.writes}.")
        )


Case = Callable[[GoodFiles, Path, Damage], Command]
"""Writes the files of one input into an empty folder and returns the command that reads them."""
