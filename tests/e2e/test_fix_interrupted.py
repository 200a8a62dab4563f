"""An interrupted track can be looked at, is continued exactly, and is corrected afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from e2e import clips
from e2e.jobs import Runner, contents, interrupt, job_for, part_of
from vos.api import Tracker
from vos.errors import BusyError, OutputError, UsageError
from vos.io.disk import take_lock
from vos.prompts import Points
from vos_cli.fix.edit import fix, undo
from vos_cli.fix.interrupted import rest_of
from vos_cli.fix.result import open_result
from vos_cli.fix.settings import settings_like
from vos_cli.job.job import Job
from vos_cli.main import run as run_command

FRAMES, DONE = 16, 9
CLICK = Points(1, ((70.0, 30.0),), (1,), frame_idx=5)


@pytest.fixture
def run(tracker: Tracker) -> Runner:
    return Runner(tracker)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    clip = clips.video(tmp_path / "clip.mp4", FRAMES)
    return job_for(clip, tmp_path / "out", save=("masks", "stats"), names={3: "square"})


def test_what_was_saved_is_shown_and_nothing_else(run, job, capsys):
    interrupt(run, job, DONE)
    part = part_of(job.output)
    (part / "masks" / f"{DONE:05}.png").write_bytes(b"cut off")  # written after the checkpoint
    with (part / "stats.jsonl").open("ab") as file:
        file.write(b'{"frame_idx": 9, "obj')
    before = contents(part)
    for named in (job.output, part):
        result = open_result(named)
        assert (result.is_finished, result.output) == (False, job.output)
        last = result.frames[-1]
        assert DONE - 2 <= last < DONE, "the checkpoint may be a frame older than the masks"
        assert result.timeline()[1].frame_idx.tolist() == list(range(2, last + 1))
        assert result.labels(last).shape == (clips.HEIGHT, clips.WIDTH)
        assert run_command(["fix", str(named), "--list", "--json"]) == 0
        told, said = capsys.readouterr()
        assert json.loads(told)["is_finished"] is False
        assert f"interrupted after frame {last}" in said
    for words in (("--point", "1:70,30@5"), ("--undo",)):
        assert run_command(["fix", str(job.output), *words]) == UsageError.exit_code
        assert "`vos track` command continues it" in capsys.readouterr().err
    assert contents(part) == before


@pytest.mark.parametrize("direction", ["forward", "both"])
def test_continued_it_is_that_of_an_uninterrupted_run(run, job, tmp_path, direction):
    source = job.source
    job = job_for(source, job.output, start=1, direction=direction, scene_cuts="reset")
    whole = job_for(source, tmp_path / "whole", start=1, direction=direction, scene_cuts="reset")
    run(whole)
    interrupt(run, job, DONE + 8 * (direction == "both"))
    result = open_result(job.output)
    used = settings_like(result.manifest, model=None, refiner=None, device="cpu", progress="none")
    assert run(rest_of(result, used)).resumed_at is not None
    assert contents(job.output) == contents(whole.output)
    assert open_result(job.output).is_finished


def test_without_a_frame_there_is_nothing_to_show(run, job, tmp_path):
    backward = job_for(job.source, tmp_path / "back", direction="backward")
    interrupt(run, backward, 3)
    with pytest.raises(OutputError, match="no frame yet; the same `vos track` command continues"):
        open_result(backward.output)
    part = part_of(tmp_path / "early")
    part.mkdir()
    (part / ".lock").write_text("")
    with pytest.raises(OutputError, match="no frame yet"):
        open_result(tmp_path / "early")


def test_a_run_that_is_under_way_is_left_alone(run, job):
    interrupt(run, job, DONE)
    with (part_of(job.output) / ".lock").open() as lock:
        assert take_lock(lock)
        with pytest.raises(BusyError, match="another run is writing"):
            open_result(job.output)


def test_the_input_may_have_moved_with_it(run, job, tmp_path):
    interrupt(run, job, DONE)
    (tmp_path / "moved").mkdir()
    for path in (Path(job.source), part_of(job.output)):
        path.rename(tmp_path / "moved" / path.name)
    assert open_result(tmp_path / "moved" / "out").frames[0] == 0


def test_continue_and_correct_on_the_page(run, job, tracker, tmp_path):
    pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
    pytest.importorskip("httpx2", reason="Starlette's test client needs it")
    whole = replace(job, output=tmp_path / "whole")
    run(whole)
    interrupt(run, job, DONE)
    for page in _page(job, tracker):
        status = page.get("/api/status").json()["run"]
        last = page.get("/api/timeline").json()["frames"][1]
        assert (status["state"], status["newest"]) == ("interrupted", last)
        assert page.get(f"/api/results/{last}.png").status_code == 200
        assert page.get(f"/api/results/{last + 1}.png").status_code == 204
        click = {
            "type": "points", "object_id": 1, "frame_idx": 5, "points_xy_px": [[70, 30]],
            "labels": [1],
        }  # fmt: skip
        version = page.get("/api/document").json()["version"]
        sent = {"version": version, "prompts": [click], "objects": {"1": "", "3": ""}}
        assert page.put("/api/document", json=sent).status_code == 200
        for path in ("/api/fix", "/api/fix/undo", "/api/correct"):
            assert page.post(path).status_code == 422, path
        assert page.post("/api/continue").status_code == 200
        assert page.get("/api/clip").json()["mode"] == "track"
        assert page.post("/api/continue").status_code == 422
        until = time.monotonic() + 120
        while (state := page.get("/api/status").json()["run"]["state"]) == "running":
            assert time.monotonic() < until
            time.sleep(0.05)
        assert state == "done"
        assert contents(job.output) == contents(whole.output)
        assert page.post("/api/correct").status_code == 200
        assert page.get("/api/clip").json()["mode"] == "fix"
    fix(open_result(job.output), [CLICK], tracker)
    assert undo(open_result(job.output)) == 1


def _page(job: Job, tracker: Tracker) -> Iterator:
    """A browser in front of what `vos fix` serves."""
    from starlette.testclient import TestClient

    from vos.io.read.random_access import RandomAccess
    from vos_cli.studio.address import LOOPBACK, Address
    from vos_cli.studio.app import make_app
    from vos_cli.studio.document import History
    from vos_cli.studio.fix_preview import FixPreviewer
    from vos_cli.studio.fixes import Fixes
    from vos_cli.studio.guard import Guard
    from vos_cli.studio.pictures import Thumbnails
    from vos_cli.studio.runs import Runs
    from vos_cli.studio.session import StudioSession

    open_again = partial(open_result, job.output)
    fixes = Fixes(open_again(), open_again, lambda: tracker)
    result = fixes.result
    used = settings_like(result.manifest, model=None, refiner=None, device="cpu", progress="none")
    info = result.source.info
    with RandomAccess(result.source) as frames:
        previewer = FixPreviewer(lambda: tracker, frames, lambda: fixes.result)
        session = StudioSession(
            info=info,
            frames=frames,
            thumbnails=Thumbnails(),
            previewer=previewer,
            history=History(),
            tool="box",
            save_to=None,
            runs=Runs(rest_of(result, used), info, lambda: tracker),
            finish=lambda: None,
        )
        session.start_fixing(fixes, previewer)
        guard = Guard(make_app(session), Address.of(LOOPBACK), on_spent=lambda _token: None)
        base = "http://127.0.0.1:4321"
        with TestClient(guard, base_url=base + guard.place, follow_redirects=False) as client:
            assert client.get("/", params={"token": guard.token}).status_code == 200
            client.headers["Origin"] = base
            yield client
