"""Tracking jobs in this process, with a model of the test's and interrupted where it likes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vos.api import Tracker
from vos.prompts import Box, Points
from vos.settings import Settings
from vos_cli.console.errors import Interrupted
from vos_cli.console.progress import open_progress
from vos_cli.job import run as tracking
from vos_cli.job.job import Job, Outcome

BOX = Box(1, (20.0, 16.0, 52.0, 48.0), frame_idx=2)
LATER = Points(3, ((40.0, 30.0),), (1,), frame_idx=7)


class Runner:
    """Runs jobs with one small model, stopping where a test wants it."""

    def __init__(self, tracker: Tracker):
        self.tracker = tracker
        self.said: list[str] = []
        self.warned: list[str] = []

    def __call__(
        self,
        job: Job,
        stop_after: int | None = None,
        error: type[BaseException] = KeyboardInterrupt,
    ) -> Outcome:
        """stop_after: raise `error` once so many frames of this run are done."""
        self.said, self.warned = [], []

        def show(_mode: object, total: int | None) -> Any:
            report = open_progress("none", total)
            count, advance = 0, report.advance

            def counting() -> None:
                nonlocal count
                advance()
                count += 1
                if count == stop_after:
                    raise error("stop")

            report.advance = counting
            return report

        return tracking.run(
            job,
            say=self.said.append,
            warn=self.warned.append,
            load=lambda _settings: self.tracker,
            show=show,
        )


def job_for(source: Path | str, output: Path, checkpoint_s: float = 0, **changes: Any) -> Job:
    settings = Settings(
        model="nano",
        refiner="none",
        device="cpu",
        progress="none",
        checkpoint_s=checkpoint_s,
        save=changes.pop("save", ("masks", "overlay", "stats")),
        scene_cuts=changes.pop("scene_cuts", "mark"),
    )
    values: dict[str, Any] = {
        "prompts": (BOX, LATER),
        "start": None,
        "end": None,
        "direction": "forward",
        "overwrite": False,
    }
    return Job(source=str(source), output=output, settings=settings, **(values | changes))


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def part_of(output: Path) -> Path:
    return output.with_name(f".{output.name}.part")


def interrupt(run: Runner, job: Job, stop_after: int) -> str:
    with pytest.raises(Interrupted) as caught:
        run(job, stop_after)
    assert not job.output.exists()
    return str(caught.value)
