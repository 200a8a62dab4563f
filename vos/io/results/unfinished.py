"""What an interrupted run left, for looking at. Nothing is changed there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vos.errors import BusyError, OutputError
from vos.io.disk import take_lock
from vos.io.paths import display_name
from vos.io.results.checkpoints import Checkpoint, CheckpointStore
from vos.io.results.folder import IDENTITY, SOURCE, STATE, is_saved_run
from vos.io.results.manifest import LOCK_NAME
from vos.io.results.part import locate_part
from vos.io.results.swap import WORK_NAME


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What an interrupted run left.

    path: where the output is to be.
    part: the folder with what there is of it.
    identity: what was tracked and how, as a manifest has it (`input`, `parameters`,
        `model_sha256`).
    source: where the input is, seen from `path`; None where the run did not note it.
    state: what the run saved last.
    """

    path: Path
    part: Path
    identity: Mapping[str, Any]
    source: str | None
    state: Mapping[str, Any]


def find_interrupted(path: Path) -> Path | None:
    """Find the interrupted output that a path names.

    The path is the output's own, or that of the folder such a run left. None where it is neither.
    """
    if path.name.startswith(".") and path.name.endswith(".part"):
        return path.with_name(path.name.removeprefix(".").removesuffix(".part"))
    return path if not path.exists() and locate_part(path).is_dir() else None


def read_unfinished(path: Path) -> Unfinished | None:
    """Read what the run for the output at `path` saved last; return None where it saved nothing.

    Raises BusyError while a run is at it, OutputError where it cannot be read.
    """
    part = locate_part(path)
    try:
        saved = _read_newest(part, display_name(path))
    except OSError as error:
        raise OutputError(
            f"{display_name(part)}: cannot be read ({error.strerror or error}); check its "
            "permissions"
        ) from error
    if saved is None:
        return None
    header = saved.header
    return Unfinished(path, part, header[IDENTITY], header.get(SOURCE), header[STATE])


def _read_newest(part: Path, name: str) -> Checkpoint | None:
    """Read the newest checkpoint that is whole."""
    lock = part / LOCK_NAME
    if lock.exists():
        with lock.open() as file:
            if not take_lock(file, is_shared=True):
                raise BusyError(
                    f"{name}: another run is writing this output: wait for it, or end it"
                )
    whole, _ = CheckpointStore(part / WORK_NAME).load(is_saved_run)
    return whole[0] if whole else None
