"""What an earlier page or run has left for an output, to be gone on with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from vos.errors import InputError, VosError
from vos.io.read.source import SourceInfo
from vos.io.results.layout import PROMPTS_NAME
from vos.io.results.manifest import read_manifest
from vos.io.results.unfinished import find_interrupted, read_unfinished
from vos.prompts.file import load_named_prompts
from vos_cli.console.errors import message
from vos_cli.fix.result import Result, open_result
from vos_cli.job.resumable import reached
from vos_cli.studio.document import Document, make_document
from vos_cli.studio.draft import Draft, Kept
from vos_cli.studio.in_out import InOut

Choice = Literal["drawn", "result", "new"]


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be gone on with. While it is not answered, nothing is drawn.

    drawn: prompts that are in no file and no result.
    result: the folder of a finished result.
    """

    drawn: Kept | None = None
    result: Path | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "drawn": None if self.drawn is None else self.drawn.as_json(),
            "result": None if self.result is None else str(self.result),
        }


@dataclass(frozen=True, slots=True)
class Stopped:
    """What there is of a track that was interrupted.

    kept: its prompts.
    newest: index of the last frame that was saved.
    """

    kept: Kept
    newest: int


def read_draft(draft: Draft, current: Document, notes: list[str]) -> Kept | None:
    """Return what the draft holds beyond the current document; note why it cannot be read."""
    try:
        kept = draft.read()
    except InputError as error:
        notes.append(message(error))
        return None
    return None if kept is None or kept.document == current else kept


def find_stopped(output: Path, info: SourceInfo) -> Stopped | None:
    """Return what an interrupted track of this input has left for the output."""
    if find_interrupted(output) is None:
        return None
    try:
        left = read_unfinished(output.resolve())
        so_far = None if left is None else reached(left.state)
        if left is None or so_far is None:
            return None
        source = None if left.source is None else (left.path / left.source).resolve()
        if source != info.path.resolve():
            return None
        file = left.part / PROMPTS_NAME
        drawn = load_named_prompts(file, size_hw=info.size_hw)
        when = datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat(timespec="seconds")
    except (VosError, OSError):
        return None  # what is wrong there is said once Track is pressed
    document = make_document(drawn.prompts, drawn.names)
    return Stopped(Kept(document, InOut(), when.replace("+00:00", "Z")), so_far.next_idx - 1)


def find_result(output: Path, info: SourceInfo) -> Path | None:
    """Return the output's absolute path where it holds a result of this input to be corrected."""
    if read_manifest(output) is None:
        return None
    try:
        with opened(output) as result:
            is_same = result.source.info.path.resolve() == info.path.resolve()
    except VosError:
        return None
    return output.absolute() if is_same else None


@contextmanager
def opened(output: Path) -> Iterator[Result]:
    """Open a result for looking at it, and close its input again."""
    result = open_result(output, is_only_looking=True)
    with result.source:
        yield result
