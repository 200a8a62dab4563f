"""What is drawn and in no file and no result yet, kept on the disk at every change."""

from __future__ import annotations

import contextlib
import glob
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vos import bounded
from vos.errors import InputError, OutputError, VosError
from vos.io.disk import output_errors, write_atomic
from vos.io.paths import display_name
from vos_cli.console.errors import message
from vos_cli.studio.document import Document, History, read_document
from vos_cli.studio.in_out import InOut
from vos_cli.studio.steps import Steps, read_steps

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Kept:
    """What a page kept that is over.

    document: the prompts and objects.
    in_out: the frames that were to be tracked.
    when: the time of the last change, ISO 8601 in UTC.
    past: the states before, oldest first.
    future: states that were taken back, the next one first.
    """

    document: Document
    in_out: InOut
    when: str
    past: tuple[Document, ...] = ()
    future: tuple[Document, ...] = ()

    def onto(self, history: History) -> History:
        """Return the history with this as its newest state, which its own steps lead to."""
        if not self.past and not self.future:
            return history.edit(self.document)
        return History(self.document, self.past, self.future, history.version + 1)

    def as_json(self) -> dict[str, Any]:
        prompts = self.document.prompts
        return {
            "prompts": len(prompts),
            "frames": len({prompt.frame_idx for prompt in prompts}),
            "when": self.when,
        }


class Draft:
    """The hidden file beside an output that holds what is drawn for it.

    path: of the file.
    size_hw: of the frames that are drawn on.
    error: why the last change could not be kept, None where it was.
    """

    def __init__(self, path: Path, size_hw: tuple[int, int]) -> None:
        self.path = path
        self.size_hw = size_hw
        self.error: str | None = None
        self._steps = Steps()

    def keep(self, history: History, in_out: InOut) -> None:
        """Write it in one move; a disk that is full is no reason to stop drawing."""
        content = {
            "schema": SCHEMA,
            "size_hw": self.size_hw,
            "when": now(),
            "in_out": in_out.as_json(),
            **self._steps.as_json(history),
        }
        try:
            write_atomic(self.path, json.dumps(content).encode())
        except OutputError as error:
            self.error = message(error)
        else:
            self.error = None

    def forget(self) -> None:
        """Remove the file, as all of it is in a file or a result by now."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            self.error = f"{display_name(self.path)}: cannot be removed ({error.strerror})"
        else:
            self.error = None

    def read(self) -> Kept | None:
        """Return what is kept; None where nothing is.

        Raises InputError for a file that no page of this input has written.
        """
        self._sweep()
        try:
            root = bounded.parse_json(bounded.read_text(self.path))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise self._unfit(str(error)) from error
        try:
            if root["schema"] != SCHEMA:
                raise ValueError(f"schema {root['schema']!r} is unknown")
            if root["size_hw"] != list(self.size_hw):
                raise ValueError("it was drawn on frames of another size")
            document = read_document(root["prompts"], root["objects"], self.size_hw)
            in_out, when = InOut.from_json(root["in_out"]), str(root["when"])
            steps = read_steps(root["steps"], self.size_hw) if "steps" in root else ((), ())
        except VosError as error:
            raise self._unfit(message(error)) from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise self._unfit(str(error)) from error
        return Kept(document, in_out, when, *steps)

    def _sweep(self) -> None:
        """Remove what commands have left that were killed while they wrote."""
        with contextlib.suppress(OSError):
            for left in self.path.parent.glob(f".{glob.escape(self.path.name[:100])}.????????"):
                left.unlink(missing_ok=True)

    def _unfit(self, why: str) -> InputError:
        return InputError(
            f"{display_name(self.path)}: what was drawn last time cannot be read ({why}): move the "
            "file away to keep it, as the next change on the page replaces it"
        )


def draft_beside(output: Path, size_hw: tuple[int, int], *, kind: str = "drawn") -> Draft:
    """Return the draft for an output; `kind` is "fix" for corrections of it."""
    path = Path(os.path.abspath(output))  # noqa: PTH100  (a link at the end is no other place)
    return Draft(path.with_name(f".{path.name}.{kind}.json"), size_hw)


def check_place(output: Path, *, is_folder: bool) -> None:
    """Raise OutputError now where the output could not be written at the end.

    A folder's parents are made when it is written, those of a file are not.
    """
    path = output.absolute()
    with output_errors(output):
        if not is_folder and path.is_dir():
            raise OutputError(
                f"{display_name(output)}: is a folder; the prompts go to a file: give a new name"
            )
        if is_folder and path.exists() and not path.is_dir():
            raise OutputError(
                f"{display_name(output)}: is a file; the output is a folder: choose another -o"
            )
        folder = path.parent
        while is_folder and not folder.exists():
            folder = folder.parent
        if folder.exists() and not folder.is_dir():
            raise OutputError(
                f"{display_name(output)}: {display_name(folder)} is a file, and would have to be a "
                "folder: choose another -o"
            )
        if not folder.is_dir():
            raise OutputError(
                f"{display_name(output)}: there is no folder {display_name(path.parent)}: make "
                "it, or choose another -o"
            )
        probe = folder / f".vos-{os.getpid()}.probe"
        probe.touch()
        probe.unlink()


def now() -> str:
    """Return the time as drafts and histories have it."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
