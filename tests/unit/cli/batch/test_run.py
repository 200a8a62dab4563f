"""A run of a batch: what is known of clips from before, and what it writes over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from unit.cli.batch import fakes
from vos.errors import OtherOutputError
from vos_cli.batch.clips.clip import Clip
from vos_cli.batch.engines.events import Event, Finished
from vos_cli.batch.engines.worker import Task
from vos_cli.batch.folder import BatchFolder, ClipResult
from vos_cli.batch.preflight import Probe
from vos_cli.batch.run import Limits, run_batch
from vos_cli.options.track import TrackFlags


class AllDone:
    """A plan whose clips are done at once."""

    jobs = 1

    def run(self, tasks: Sequence[Task]) -> Iterator[Event]:
        for task in tasks:
            result = ClipResult(task.name, "done", frames=2)
            task.folder.write_result(result)
            yield Finished(result)


def probes(root: Path, *names: str) -> list[Probe]:
    return [
        Probe(Clip(task.name, task.name, f"/in/{task.name}", TrackFlags()), task.job)
        for task in fakes.tasks(root, *names)
    ]


def run(probes: Sequence[Probe], root: Path, limits: Limits | None = None, **more):
    return run_batch(
        probes, BatchFolder(root), AllDone(), limits=limits or Limits(), view="none", **more
    )


def test_a_finished_clip_that_cannot_be_opened_now_is_still_finished(tmp_path: Path):
    (one,) = probes(tmp_path, "a")
    run([one], tmp_path)
    folder = BatchFolder(tmp_path)
    folder.output("a").mkdir()
    ended = run([replace(one, job=None, problem="no prompt", exit_code=2)], tmp_path)
    assert ended.results["a"].state == "failed"
    kept = folder.read_result("a")
    assert kept is not None
    assert kept.state == "done"


def test_other_settings_are_refused_for_what_would_be_tried_only(tmp_path: Path):
    done, new = probes(tmp_path, "a", "b")
    done = replace(done, has_output=True, differs=("size",))
    folder = BatchFolder(tmp_path)
    folder.write_result(ClipResult("a", "done"))
    folder.write_result(ClipResult("b", "failed"))
    with pytest.raises(
        OtherOutputError, match=r"1 finished clip .*\(a: size\), nothing was changed"
    ):
        run([done, new], tmp_path)
    assert not folder.report(".json").exists()
    ended = run([done, new], tmp_path, Limits(only_failed=True))
    assert ended.content["counts"]["done"] == 2


def test_what_an_earlier_round_did_is_not_tried_again(tmp_path: Path):
    first, second = probes(tmp_path, "a", "b")
    known = {"a": ClipResult("a", "failed", reason="broken")}
    ended = run([first, second], tmp_path, known=known)
    assert {name: one.state for name, one in ended.results.items()} == {"a": "failed", "b": "done"}
