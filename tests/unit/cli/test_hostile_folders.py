"""Folders of strangers: whatever links they hold, nothing outside the output changes."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vos.errors import BusyError, OutputError
from vos.io.results.edits import EditStore
from vos.prompts import Box
from vos.settings import resolve as settings_of
from vos_cli import main
from vos_cli.batch.engines.worker import Task, run_task
from vos_cli.batch.folder import BatchFolder, hold_shared
from vos_cli.batch.report.report import Run, write_reports
from vos_cli.job.job import Job

FRAMES = 3
SECRET = "the owner's own file\n"
TARGETS = ("file", "folder", "missing")


def run(*arguments: object) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main.run([*map(str, arguments)])
    return code, out.getvalue() + err.getvalue()


def track(place: Path, *more: str) -> tuple[int, str]:
    null = ("--model", "null", "--box", "1,1,9,9", "--save", "masks,stats", "--progress", "none")
    more = ("--soft", *more)
    return run("track", place / "shots", "-o", place / "out", *null, *more)


def batch(place: Path, *more: str) -> tuple[int, str]:
    null = ("--model", "null", "--box", "1,1,9,9", "--save", "masks,stats", "--progress", "none")
    (place / "clips.txt").write_text("shots\n")
    return run("batch", place / "clips.txt", "-o", place / "all", "--jobs", "1", *null, *more)


def state(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything about a tree that a command might change."""
    found = {}
    for path in sorted([folder, *folder.rglob("*")]):
        status = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[str(path.relative_to(folder))] = (status.st_mode, status.st_mtime_ns, data)
    return found


@contextlib.contextmanager
def hostile_place(finished: Path) -> Iterator[tuple[Path, Path]]:
    """A copy of a finished track, and a tree beside it that nothing may touch."""
    with tempfile.TemporaryDirectory() as top:
        place, outside = Path(top) / "place", Path(top) / "outside"
        shutil.copytree(finished, place)
        for name in ("masks", "0001", "new", "shots", "00000.part"):
            (outside / name).mkdir(parents=True)
            (outside / name / "manifest.json").write_text(SECRET)
            (outside / name / "00000.png").write_text(SECRET)
        (outside / "secret").write_text(SECRET)
        yield place, outside


def plant(place: Path, name: str, target: str, outside: Path) -> None:
    """Put a link in the place of whatever has the name, as far as it can be reached."""
    path = place / name
    to = {"file": outside / "secret", "folder": outside, "missing": outside / "not-yet"}[target]
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        path.symlink_to(to)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stills, and the result of tracking them, made to look as if a model had made it."""
    place = tmp_path_factory.mktemp("finished")
    (place / "shots").mkdir()
    for number in range(FRAMES):
        image = np.full((32, 48, 3), 40 * number, np.uint8)
        Image.fromarray(image).save(place / "shots" / f"{number:05d}.png")
    assert track(place)[0] == 0
    path = place / "out" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_sha256": "0" * 64}))
    return place


def tell(frames: int, total: int | None, skipped: int = 0) -> None:
    """Take no notice of progress."""


def unfinished_change(result: Path, files: dict[str, str], name: str = "0001") -> None:
    """What a killed `vos fix` leaves between deciding on a change and moving its files."""
    for file, text in files.items():
        path = result / "history" / name / "new" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


PART = (
    ".out.part",
    ".out.part/.lock",
    ".out.part/.resume",
    ".out.part/.resume/masks.jsonl",
    ".out.part/masks",
    ".out.part/masks/00000.png",
    ".out.part/.resume/mattes.jsonl",
    ".out.part/mattes",
    ".out.part/mattes/1",
    ".out.part/stats.jsonl",
    ".out.part/prompts.json",
    ".out.part/manifest.json",
    ".out.old",
    ".out.old/masks",
    ".out.old/manifest.json",
)
RESULT = (
    "out/masks",
    "out/masks/00001.png",
    "out/stats.jsonl",
    "out/prompts.json",
    "out/manifest.json",
    "out/history",
    "out/history/0001",
    "out/history/0001/new",
    "out/history/0001/new/masks",
    "out/history/0001/new/manifest.json",
    "out/history/0001/old",
    "out/history/0001.part",
    "out/mattes",
    "out/mattes/1",
    "out/history/0001/added",
    "out/history/0001/added/mattes",
    "out/history/undo-0001",
    "out/history/undo-0001/gone",
    "out/history/undo-0001/gone/mattes",
    "out/history/undo-..",
    "out/.lock",
)
BATCH = (
    "all/clips",
    "all/logs",
    "all/status",
    "all/.batch.lock",
    "all/.workers.lock",
    "all/clips/shots",
    "all/clips/.shots.part",
    "all/clips/.shots.part/.lock",
    "all/clips/.shots.old",
    "all/logs/shots.log",
    "all/status/shots.json",
    "all/status/shots.jpg",
    "all/report.json",
    "all/report.html",
)


def links(names: tuple[str, ...]) -> st.SearchStrategy[list[tuple[str, str]]]:
    return st.lists(st.tuples(st.sampled_from(names), st.sampled_from(TARGETS)), max_size=4)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(links(PART + RESULT), st.booleans(), st.booleans())
def test_track_writes_nothing_through_links(finished, planted, has_output, overwrite):
    with hostile_place(finished) as (place, outside):
        if not has_output:
            shutil.rmtree(place / "out")
        for name, target in planted:
            plant(place, name, target, outside)
        before = state(outside)
        code, said = track(place, *["--overwrite"] * overwrite)
        assert code in (0, 2), said
        assert state(outside) == before


@settings(max_examples=30, deadline=None, derandomize=True)
@given(links(RESULT), st.sampled_from(["--list", "--undo"]), st.booleans())
def test_fix_writes_nothing_through_links(finished, planted, how, is_unfinished):
    with hostile_place(finished) as (place, outside):
        if is_unfinished:
            unfinished_change(place / "out", {"masks/00001.png": "x", "00000.part/y": "x"})
        for name, target in planted:
            plant(place, name, target, outside)
        before, inside = state(outside), state(place)
        code, said = run("fix", place / "out", how, "--progress", "none")
        assert code in (0, 2, 3), said
        assert state(outside) == before
        if how == "--list":
            assert state(place) == inside, "who looks changes nothing"


@settings(max_examples=20, deadline=None, derandomize=True)
@given(links(BATCH))
def test_batch_writes_nothing_through_links(finished, planted):
    with hostile_place(finished) as (place, outside):
        job = Job.checked(
            source=str(place / "shots"),
            output=place / "all/clips/shots",
            prompts=(Box(1, (1, 1, 9, 9)),),
            start=None,
            end=None,
            direction="forward",
            settings=settings_of({"model": "null", "save": ("masks", "stats"), "progress": "none"}),
            overwrite=False,
        )
        for name, target in planted:
            plant(place, name, target, outside)
        before = state(outside)
        folder = BatchFolder(place / "all")
        with contextlib.suppress(OutputError):
            folder.make()
            with folder.lock(), hold_shared(folder.workers_lock):
                result = run_task(Task("shots", job, folder), "w1", tell)
                folder.write_result(result)
                write_reports([], Run("finished", 1, 1.0, 0.0), folder)
        assert state(outside) == before


@pytest.mark.parametrize("name", [".batch.lock", ".workers.lock"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_linked_lock_of_a_batch_is_refused(finished, name, target):
    with hostile_place(finished) as (place, outside):
        plant(place, f"all/{name}", target, outside)
        before = state(outside)
        code, said = batch(place)
        assert code == 2
        assert "is a link" in said
        assert state(outside) == before


def test_a_linked_lock_is_not_emptied(finished):
    with hostile_place(finished) as (place, outside):
        plant(place, ".out.part/.lock", "file", outside)
        shutil.rmtree(place / "out")
        code, said = track(place)
        assert code == 2
        assert "is a link" in said
        assert (outside / "secret").read_text() == SECRET


def test_list_shows_a_change_that_was_cut_short_and_leaves_it_so(finished):
    with hostile_place(finished) as (place, _):
        manifest = json.loads((place / "out/manifest.json").read_text())
        entry = {"edit": 1, "when": "now", "prompts": [], "spans": []}
        unfinished_change(
            place / "out", {"manifest.json": json.dumps({**manifest, "history": [entry]})}
        )
        before = state(place)
        code, said = run("fix", place / "out", "--list")
        assert code == 0
        assert "correction 1" in said
        assert state(place) == before
        EditStore(place / "out").recover()
        assert json.loads((place / "out/manifest.json").read_text())["history"] == [entry]


@pytest.mark.parametrize("target", ["folder", "file"])
def test_a_change_is_not_finished_through_a_link(finished, target):
    with hostile_place(finished) as (place, outside):
        unfinished_change(place / "out", {"home/secret": "hostile", "manifest.json": "hostile"})
        plant(place, "out/home", target, outside)
        before, inside = state(outside), state(place / "out")
        with pytest.raises(OutputError, match="is a link"):
            EditStore(place / "out").recover()
        assert state(outside) == before
        assert {**state(place / "out"), ".": None} == {**inside, ".": None}, "none is moved"


def test_only_folders_named_as_ours_are_deleted_in_a_history(finished):
    with hostile_place(finished) as (place, _):
        for name in ("undo-..", "undo-x", "mine.part", ".part"):
            (place / "out/history" / name / "new").mkdir(parents=True)
        before = state(place)
        EditStore(place / "out").recover()
        assert state(place) == before


NAMES = st.one_of(
    st.sampled_from(
        [
            "",
            ".",
            "..",
            "../escaped",
            "/escaped",
            "a/b",
            "..\\escaped",
            "a\0b",
            "x" * 250,
            ".hidden",
        ]
    ),
    st.text(max_size=8).map(lambda text: f"../{text}"),
)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(NAMES)
def test_eval_takes_no_path_for_the_name_of_a_video(finished, name):
    with hostile_place(finished) as (place, outside):
        root, frame = place / "set/valid", "00000001"
        with contextlib.suppress(OSError, ValueError):  # the data set may have it all
            for kind, ending in (("JPEGImages", "jpg"), ("Annotations", "png")):
                folder = root / kind / name.lstrip("/")
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(place / "out/masks/00001.png", folder / f"{frame}.{ending}")
        span = {"start": "1", "end": "1", "frame_nums": "1"}
        meta = {"videos": {name: {"objects": {"1": {"frame_range": span}}}}}
        (root / "JPEGImages").mkdir(parents=True, exist_ok=True)
        (root / "valid_meta.json").write_text(json.dumps(meta))
        before, inside = state(outside), state(place)
        code, said = run("eval", "lvos", place / "set", "--version", "1", "-o", place / "e" / "e")
        assert code == 3, said
        assert state(outside) == before
        assert state(place) == inside


def test_two_evaluations_at_once(finished):
    from vos.settings import Settings
    from vos_cli.evaluate.job import EvalJob
    from vos_cli.evaluate.output import hold
    from vos_eval.data_sets.base import DataSet, Submission

    def held(shard: tuple[int, int]) -> contextlib.AbstractContextManager[int]:
        data_set = DataSet("drawn", (), None, Submission("nobody"))
        return hold(EvalJob(data_set, finished / "eval", Settings(), shard=shard))

    with held((0, 1)):
        for shard in ((0, 1), (0, 2)):
            with pytest.raises(BusyError, match="another vos eval"), held(shard):
                pass
    with held((0, 2)), held((1, 2)):
        for shard in ((0, 1), (1, 2)):
            with pytest.raises(BusyError, match="--shard"), held(shard):
                pass
    assert {path.name for path in (finished / "eval").iterdir()} > {".lock"}
