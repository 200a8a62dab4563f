"""The events of an engine at work."""

from __future__ import annotations

from dataclasses import dataclass

from vos_cli.batch.folder import ClipResult


@dataclass(frozen=True, slots=True)
class Started:
    """A worker took a clip.

    name: of the clip.
    worker: its name.
    """

    name: str
    worker: str


@dataclass(frozen=True, slots=True)
class Progressed:
    """A clip has come this far.

    name: of the clip.
    worker: the name of the worker that has it.
    frames: done so far.
    total: how many there are; None where the input does not say.
    skipped: how many of `frames` an earlier run did.
    """

    name: str
    worker: str
    frames: int
    total: int | None
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """A clip is done or has failed for good.

    result: how it went.
    """

    result: ClipResult


@dataclass(frozen=True, slots=True)
class Stopping:
    """Ctrl-C was heard: workers are given time to make their clips resumable."""


Event = Started | Progressed | Finished | Stopping
