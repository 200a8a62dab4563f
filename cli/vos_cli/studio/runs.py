"""Tracking that the page started: in a thread, watched and stopped from the page."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vos.errors import Cancelled, InputError, OtherOutputError, VosError
from vos.io.read.source import SourceInfo, video_frame_name
from vos.io.results.folder import locate_part
from vos.io.results.layout import MASKS_NAME
from vos.io.write.mask_png import read_label_png
from vos_cli.console.errors import message
from vos_cli.console.notices import warn
from vos_cli.console.progress import Counter
from vos_cli.job.job import Job, Outcome
from vos_cli.job.run import run
from vos_cli.studio.background import Background
from vos_cli.studio.document import Document, History
from vos_cli.studio.in_out import InOut

if TYPE_CHECKING:
    from vos.api import Tracker


class _Watched(Counter):
    """A counter of frames that cancels the run once the page stops it."""

    def __init__(self, total: int | None, stop: threading.Event) -> None:
        super().__init__(total)
        self._stop = stop

    def advance(self) -> None:
        super().advance()
        if self._stop.is_set():
            raise Cancelled("stopped from the page")


class Runs(Background):
    """One run after the other, each into the same output folder.

    job: what to do, but for the prompts.
    info: what the input says about itself.
    tracker: waits for the loaded model and returns it.
    outcome: of the last run that was finished.
    version: of the document that was tracked last, -1 before that.
    on_tracked: called with the document that has become a result.
    """

    def __init__(self, job: Job, info: SourceInfo, tracker: Callable[[], Tracker]) -> None:
        super().__init__()
        self._job = job
        self._info = info
        self._tracker = tracker
        self._rate: float | None = None
        self._may_replace = job.overwrite
        self.version = -1
        self._count = 0
        self.outcome: Outcome | None = None
        self.preset = InOut.of(job.start, job.end, info)
        self.on_tracked: Callable[[Document], None] = lambda _document: None

    @property
    def output(self) -> Path:
        """Return the folder that is made."""
        return self._job.output

    @property
    def is_backward(self) -> bool:
        """Tell whether frames are tracked towards the clip's beginning only."""
        return self._job.direction == "backward"

    @property
    def left(self) -> tuple[str, int] | None:
        """Return what names the masks that a run has left; None where there are none yet."""
        is_there = self.state == "stopped" or (self.state == "done" and self.outcome is not None)
        return (self.state, self._count) if is_there else None

    def find_stopped(self, version: int) -> None:
        """Show what an interrupted run has left, as if it had been stopped here.

        version: of the document with its prompts.
        """
        self.state, self.version = "stopped", version

    def start(self, history: History, in_out: InOut, *, overwrite: bool) -> None:
        """Track these prompts; does nothing while a run is under way.

        What was stopped goes on from where the prompts differ.

        overwrite: from now on, replace an earlier output that this session did not make.

        Raises PromptError for prompts that lie outside In and Out.
        """
        if self.state == "running":
            return
        self._may_replace |= overwrite or self.outcome is not None
        now = history.now
        in_out.check(now.prompts, now.names)
        job = replace(
            self._job,
            prompts=now.prompts,
            names=now.names,
            overwrite=self._may_replace,
            goes_on=True,
        )
        if in_out != self.preset:  # else times stay what they are on the command line
            end = None if in_out.last is None else in_out.last + 1
            job = replace(job, start=in_out.first, end=end)
        self._rate = None
        self._progress = Counter(None)
        self.version = history.version
        self._count += 1
        self._begin("track", partial(self._track, job, now))

    def mask(self, frame_idx: int) -> np.ndarray | None:
        """Return the label map that the newest run gave for a frame; None where there is none."""
        names = self._info.names
        if names is not None and not 0 <= frame_idx < len(names):
            return None
        name = video_frame_name(frame_idx) if names is None else names[frame_idx]
        for folder in self._folders():
            try:
                return read_label_png(folder / MASKS_NAME / f"{name}.png")
            except InputError:  # missing, or being written
                continue
        return None

    def as_json(self) -> dict[str, Any]:
        progress = self._progress
        return {
            "state": self.state,
            "id": self._count,
            "version": self.version,
            "done": progress.done,
            "total": progress.total,
            "rate": round(progress.rate() if self._rate is None else self._rate, 2),
            "remaining_s": progress.remaining_s(),
            "error": None if self._error is None else page_words(self._error),
            "can_replace": isinstance(self._error, OtherOutputError),
            "output": str(self._job.output.absolute()),
            "newest": self._newest(),
            "has_result": self.outcome is not None,
            "has_masks": "masks" in self._job.settings.save,
        }

    def _newest(self) -> int | None:
        """Return the index of the last frame with a mask; None where no run is half done."""
        if self.state not in ("running", "stopped"):
            return None
        names = self._info.names
        places = None if names is None else {name: index for index, name in enumerate(names)}
        found = [path.stem for path in (self._folders()[0] / MASKS_NAME).glob("*.png")]
        indices = (int(stem) if places is None else places[stem] for stem in found)
        return max(indices, default=None)

    def _folders(self) -> list[Path]:
        output = self._job.output
        part = locate_part(output.resolve())
        if self.state in ("running", "stopped"):
            return [part]
        return [part] if self.outcome is None else [output]

    def _track(self, job: Job, document: Document) -> None:
        """Track; what is stopped can be continued."""
        outcome = run(
            job,
            say=lambda _text: None,
            warn=warn,
            load=lambda _settings: self._tracker(),
            show=self._show,
        )
        self.outcome, self._rate = outcome, outcome.frames_per_s
        self.on_tracked(document)

    def _show(self, _mode: object, total: int | None) -> Counter:
        self._progress = _Watched(total, self._stop)
        return self._progress


def page_words(error: VosError) -> str:
    """Return an error's text without what to do on the command line, where a button does that."""
    if isinstance(error, OtherOutputError):
        return str(error.parts[0]).removesuffix(": give ").removesuffix(" give ")
    return message(error)
