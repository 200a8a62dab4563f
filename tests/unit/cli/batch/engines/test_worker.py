"""One clip in a worker: what is left of it when it fails, and what its log keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unit.cli.batch import fakes
from vos.io.results.manifest import read_manifest
from vos.settings import Settings
from vos_cli.batch.clips.clip import strip_name
from vos_cli.batch.engines.worker import Task, run_task


def on_progress(frames: int, total: int | None, skipped: int = 0) -> None:
    """Nobody listens."""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """Six images, of which the fourth is broken, saved after every frame."""
    (one,) = fakes.tasks(tmp_path / "out", "clip")
    folder = tmp_path / "clip"
    folder.mkdir()
    for number in range(6):
        Image.fromarray(np.full((24, 32, 3), 40 * number, np.uint8)).save(folder / f"{number}.png")
    whole = (folder / "3.png").read_bytes()
    (folder / "3.png").write_bytes(whole[: len(whole) // 2])
    chosen = Settings(model="null", save=("masks",), checkpoint_s=0, progress="none")
    return replace(one, job=replace(one.job, source=str(folder), settings=chosen))


def test_footage_that_breaks_in_the_middle_leaves_nothing_and_can_be_mended(task: Task):
    failed = run_task(task, "w1", on_progress)
    assert (failed.state, failed.exit_code) == ("failed", 3)
    assert failed.reason is not None
    assert "3.png: broken image" in failed.reason
    assert failed.reason.isprintable()
    assert list((task.folder.root / "clips").iterdir()) == []

    broken = Path(task.job.source) / "3.png"
    broken.write_bytes((broken.parent / "2.png").read_bytes())
    done = run_task(task, "w2", on_progress)
    assert (done.state, done.frames) == ("done", 6)
    assert run_task(task, "w3", on_progress).was_there

    log = task.folder.log("clip").read_text()
    said = ["worker w1", "broken image", "worker w2", "6 frames", "worker w3", "already complete"]
    assert [word for word in said if word not in log] == []
    assert sorted(said, key=log.index) == said


def test_a_log_that_cannot_be_written_fails_the_clip_and_not_its_worker(task: Task, tmp_path: Path):
    log = task.folder.log("clip")
    log.symlink_to(tmp_path / "elsewhere")
    failed = run_task(task, "w1", on_progress)
    assert (failed.state, failed.exit_code) == ("failed", 2)
    assert "clip.log" in str(failed.reason)
    assert not (tmp_path / "elsewhere").exists()
    log.unlink()
    log.parent.rmdir()
    assert "cannot write" in str(run_task(task, "w1", on_progress).reason)


def test_what_a_killed_run_did_not_write_down_is_found_out(task: Task):
    """Killed between the output and its status: the next run skips the clip, its scores known."""
    settings = replace(task.job.settings, save=("masks", "stats"))
    task = replace(task, job=replace(task.job, settings=settings, end=3))
    made = run_task(task, "w1", on_progress)
    assert made.low_scores == ("object 1: absent on frames 0-2",)
    task.folder.status("clip").unlink()
    found = run_task(task, "w2", on_progress)
    assert (found.was_there, found.frames, found.seconds) == (True, 3, None)
    assert found.low_scores == made.low_scores


def test_exports_are_part_of_a_clip(task: Task):
    settings = replace(task.job.settings, deliver=("png-matte", "csv"))
    task = replace(task, job=replace(task.job, settings=settings, end=3))
    blocked = task.folder.output("clip-csv")
    blocked.write_text("in the way")
    failed = run_task(task, "w1", on_progress)
    assert (failed.state, failed.exit_code, failed.delivered) == ("failed", 2, ())
    assert "not exported as csv" in str(failed.reason)
    blocked.unlink()
    done = run_task(task, "w2", on_progress)
    assert (done.state, done.was_there, done.frames) == ("done", True, 3)
    assert done.delivered == ("clips/clip-png-matte", "clips/clip-csv")
    assert (task.folder.root / done.delivered[0] / "clip_obj1.0002.png").is_file()
    assert run_task(task, "w3", on_progress) == done
    assert task.folder.log("clip").read_text().count("already exported") == 3


def test_exports_of_a_clip_are_soft_where_its_mattes_are(task: Task):
    oiio = pytest.importorskip(
        "OpenImageIO", reason="needs OpenImageIO: pip install 'vos[deliver]'"
    )
    settings = replace(task.job.settings, save=("masks", "mattes"), deliver=("exr", "cvat"))
    task = replace(task, job=replace(task.job, settings=settings, end=3))
    done = run_task(task, "w1", on_progress)
    assert (done.state, done.reason) == ("done", None)
    assert done.delivered == ("clips/clip-exr", "clips/clip-cvat")
    assert (task.folder.output("clip") / "mattes").is_dir()
    manifest = read_manifest(task.folder.root / done.delivered[0])
    assert manifest is not None
    assert manifest["parameters"]["mattes"] == "soft"
    opened = oiio.ImageInput.open(str(task.folder.root / done.delivered[0] / "clip.0002.exr"))
    assert opened.spec().channelnames == ("obj1.A",)
    opened.close()


def test_exports_leave_the_batch_by_no_link(task: Task, tmp_path: Path):
    settings = replace(task.job.settings, deliver=("csv",))
    task = replace(task, job=replace(task.job, settings=settings, end=3))
    (tmp_path / "elsewhere").mkdir()
    task.folder.output("clip-csv").symlink_to(tmp_path / "elsewhere")
    assert "link" in str(run_task(task, "w1", on_progress).reason)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_clip_is_not_named_twice():
    assert strip_name("a b.mp4: not a video", "/x/a b.mp4") == "not a video"
    assert strip_name("/x/a b.mp4: not a video", "/x/a b.mp4") == "not a video"
    assert strip_name("other.png: broken", "/x/a") == "other.png: broken"
    assert strip_name("new\\nline.mp4: empty", "/x/new\nline.mp4") == "empty"
