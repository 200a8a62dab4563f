"""The log of a run: one JSON line per step, and TensorBoard's files where it is installed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vos.train.refiner.evaluate import RefinerScores

LOG = "log.jsonl"
BOARD = "tensorboard"
_BOARD_EVERY = 10


class RunLog:
    """The log of one run, continued: lines of steps that will be repeated are dropped.

    step: where the run goes on.
    writes: whether this process is the one of several that writes.
    """

    def __init__(self, folder: Path, step: int, *, writes: bool):
        self.path, self._writes = folder / LOG, writes
        self._board = _board(folder / BOARD, step) if writes else None
        if writes and self.path.exists():
            rows = self.path.read_text(encoding="utf-8").splitlines()
            kept = [row for row in rows if _read_step(row) <= step]
            self.path.write_text("".join(f"{row}\n" for row in kept), encoding="utf-8")

    def step(self, step: int, losses: Mapping[str, float], rate: float, empty: int) -> None:
        """Log one step's losses, learning rate, and how many empty masks were met so far."""
        self._row({"step": step, "loss": losses, "lr": rate, "empty_masks": empty})
        if self._board is not None and step % _BOARD_EVERY == 0:
            for name, value in losses.items():
                self._board.add_scalar(f"loss/{name}", value, step)
            self._board.add_scalar("lr", rate, step)

    def scores(self, step: int, name: str, scores: RefinerScores) -> None:
        """Log scores.

        name: "base" or "eval".
        """
        self._row({"step": step, name: scores.flat()})
        if self._board is not None:
            for key, value in scores.flat().items():
                self._board.add_scalar(f"{name}/{key}", value, step)

    def close(self) -> None:
        if self._board is not None:
            self._board.close()

    def _row(self, row: dict[str, Any]) -> None:
        if self._writes:
            with self.path.open("a", encoding="utf-8") as log:
                log.write(json.dumps(row) + "\n")


def _read_step(row: str) -> float:
    """Read the step of a row; a line cut short by a kill counts as one to drop."""
    try:
        return json.loads(row)["step"]
    except ValueError:
        return float("inf")


def _board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(folder, purge_step=step + 1)
