"""What an engine tells while it works."""

from __future__ import annotations

from dataclasses import dataclass

from vos_cli.batch.folder import ClipResult


@dataclass(frozen=True, slots=True)
class Started:
    """A worker took a clip."""

    name: str
    worker: str


@dataclass(frozen=True, slots=True)
class Progressed:
    """Frames of a clip so far; total is None where the input does not say. skipped: those of them
    that an earlier run did."""

    name: str
    worker: str
    frames: int
    total: int | None
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """A clip is done or has failed for good."""

    result: ClipResult


@dataclass(frozen=True, slots=True)
class Stopping:
    """Ctrl-C was heard: workers are given time to make their clips resumable."""


Event = Started | Progressed | Finished | Stopping
