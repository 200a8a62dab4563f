"""Tracking started from the page: progress, results, stopping, what is in the way. No model."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from e2e import clips
from vos.errors import Cancelled, OtherOutputError, VosError
from vos.io.read.open import open_source
from vos.io.write.mask_png import encode_label_png
from vos.prompts import Box
from vos.settings import Settings
from vos_cli.console.errors import Interrupted
from vos_cli.job.job import Job, Outcome
from vos_cli.studio import runs as module
from vos_cli.studio.document import History, make_document
from vos_cli.studio.in_out import InOut
from vos_cli.studio.runs import Runs

ALL = InOut()
DRAWN = History(make_document([Box(1, (1, 1, 9, 9))], {1: "ball", 2: "not drawn"}), version=7)


def outcome(job: Job) -> Outcome:
    return Outcome(job.output, (), 5, 12.5, "fake", "", None, (), is_skipped=False)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    source = clips.images(tmp_path / "images", 5)
    job = Job.checked(
        source=str(source),
        output=tmp_path / "out",
        prompts=(),
        start=None,
        end=None,
        direction="forward",
        settings=Settings(),
        overwrite=False,
    )
    with open_source(source) as opened:
        return Runs(job, opened.info, lambda: None)  # pyright: ignore[reportArgumentType]


def use(monkeypatch: pytest.MonkeyPatch, run: Any) -> list[Job]:
    """Have runs do this in place of tracking; returns the jobs they were given."""
    jobs: list[Job] = []

    def replaced(job: Job, **keywords: Any) -> Outcome:
        jobs.append(job)
        return run(job, **keywords)

    monkeypatch.setattr(module, "run", replaced)
    return jobs


def test_progress_then_the_result(runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    half_way, go_on = threading.Event(), threading.Event()
    labels = np.full((clips.HEIGHT, clips.WIDTH), 3, np.uint8)

    def run(job: Job, *, show: Any, **_rest: Any) -> Outcome:
        part = tmp_path / ".out.part" / "masks"
        part.mkdir(parents=True)
        with show("auto", 5) as progress:
            for name in ("000", "001"):
                (part / f"{name}.png").write_bytes(encode_label_png(labels))
                progress.advance()
            half_way.set()
            assert go_on.wait(20)
        part.parent.rename(tmp_path / "out")
        return outcome(job)

    jobs = use(monkeypatch, run)
    assert runs.as_json()["state"] == "none"
    assert runs.mask(0) is None
    runs.start(DRAWN, ALL, overwrite=False)
    assert half_way.wait(20)
    shown = runs.as_json()
    assert (shown["state"], shown["done"], shown["total"]) == ("running", 2, 5)
    assert (shown["newest"], shown["version"]) == (1, 7)
    assert np.array_equal(runs.mask(1), labels)  # pyright: ignore[reportArgumentType]
    assert runs.mask(2) is None
    runs.start(DRAWN, ALL, overwrite=False)  # does nothing: one is under way
    go_on.set()
    runs.wait()
    shown = runs.as_json()
    assert (shown["state"], shown["rate"], shown["newest"]) == ("done", 12.5, None)
    assert np.array_equal(runs.mask(0), labels)  # pyright: ignore[reportArgumentType]
    for frame_idx in (-1, 2, 5, 10**30):
        assert runs.mask(frame_idx) is None
    assert [(job.prompts, job.names) for job in jobs] == [(DRAWN.now.prompts, {1: "ball"})]


def test_stopping_cancels_the_run(runs: Runs, monkeypatch: pytest.MonkeyPatch):
    def run(_job: Job, *, show: Any, **_rest: Any) -> Outcome:
        with show("auto", None) as progress:
            try:
                while True:
                    progress.advance()
                    time.sleep(0.001)
            except Cancelled:
                raise Interrupted("stopped") from None

    use(monkeypatch, run)
    runs.start(DRAWN, ALL, overwrite=False)
    runs.stop()
    runs.wait()
    assert runs.as_json()["state"] == "stopped"
    assert runs.outcome is None


def test_an_earlier_output_is_replaced_only_when_asked(runs: Runs, monkeypatch: pytest.MonkeyPatch):
    def run(job: Job, **_rest: Any) -> Outcome:
        if not job.overwrite:
            raise OtherOutputError("out: holds an output made with other settings")
        return outcome(job)

    jobs = use(monkeypatch, run)
    runs.start(DRAWN, ALL, overwrite=False)
    runs.wait()
    shown = runs.as_json()
    assert (shown["state"], shown["can_replace"]) == ("failed", True)
    assert "other settings" in shown["error"]
    runs.start(DRAWN, ALL, overwrite=True)
    runs.wait()
    assert runs.as_json()["state"] == "done"
    runs.start(DRAWN, ALL, overwrite=False)  # what this page made, it may replace
    runs.wait()
    assert [job.overwrite for job in jobs] == [False, True, True]


def test_our_bugs_are_one_line_too(runs: Runs, monkeypatch: pytest.MonkeyPatch):
    def run(_job: Job, **_rest: Any) -> Outcome:
        raise ZeroDivisionError("seven")

    use(monkeypatch, run)
    runs.start(DRAWN, ALL, overwrite=False)
    runs.wait()
    shown = runs.as_json()
    assert shown["error"] == "internal error: ZeroDivisionError: seven"
    assert not shown["can_replace"]
    assert isinstance(runs._error, VosError)
