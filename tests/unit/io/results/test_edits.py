"""A change of a result is made altogether or not at all, whenever it is cut short, and undone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from unit.io.results.killing import killed
from vos.errors import BusyError, OutputError
from vos.io.results.edits import EditStore

OLD = {
    "manifest.json": "0",
    "stats.jsonl": "old rows",
    "overlay.mp4": "video",
    "masks/0.png": "a",
    "masks/1.png": "b",
    "masks/2.png": "c",
}
NEW = OLD | {"manifest.json": "1", "stats.jsonl": "new rows", "masks/1.png": "B"}
NEWER = NEW | {"manifest.json": "2", "masks/2.png": "C"}
_STEPS = ("link", "rename", "replace", "fsync", "unlink", "rmdir", "mkdir")


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path.parts[len(folder.parts)] != "history"
    }


@pytest.fixture
def result(tmp_path: Path) -> Path:
    write(tmp_path / "out", OLD)
    return tmp_path / "out"


def change(result: Path, number: int, before: dict[str, str], after: dict[str, str]) -> None:
    store = EditStore(result)
    with store.holding():
        folder = store.begin(number)
        write(folder, {name: text for name, text in after.items() if before.get(name) != text})
        store.commit(number)


def undo(result: Path, number: int, manifest: str) -> None:
    store = EditStore(result)
    with store.holding():
        store.undo(number, manifest.encode())


def kill_everywhere(
    tmp_path: Path,
    prepare: Callable[[Path], None],
    work: Callable[[Path], None],
    before: dict[str, str],
    after: dict[str, str],
) -> None:
    """Every state found after a kill and a recovery is the one before, and later the one after."""
    found = []
    for step in range(1, 1000):
        result = tmp_path / f"out{step}"
        write(result, OLD)
        prepare(result)
        was_killed = killed(step, lambda result=result: work(result), _STEPS)
        EditStore(result).recover()
        state = contents(result)
        assert state in (before, after), step
        found.append(state == after)
        assert not list(result.rglob("*.part"))
        assert not list(result.rglob("new"))
        if not was_killed:
            break
    assert found == sorted(found), "once it is new it stays new"
    assert len(found) > 10
    assert found[0] is False
    assert found[-1] is True


def test_a_change_killed_at_any_step(tmp_path):
    kill_everywhere(
        tmp_path, lambda _result: None, lambda result: change(result, 1, OLD, NEW), OLD, NEW
    )


def test_an_undo_killed_at_any_step(tmp_path):
    undone = OLD | {"manifest.json": "undone"}
    kill_everywhere(
        tmp_path,
        lambda result: change(result, 1, OLD, NEW),
        lambda result: undo(result, 1, "undone"),
        NEW,
        undone,
    )


MORE = NEW | {"mattes/3/1.png": "m", "mattes/3/2.png": "n"}


def test_a_change_that_adds_files_killed_at_any_step(tmp_path):
    kill_everywhere(
        tmp_path, lambda _result: None, lambda result: change(result, 1, OLD, MORE), OLD, MORE
    )


def test_an_undo_that_drops_added_files_killed_at_any_step(tmp_path):
    kill_everywhere(
        tmp_path,
        lambda result: change(result, 1, OLD, MORE),
        lambda result: undo(result, 1, "undone"),
        MORE,
        OLD | {"manifest.json": "undone"},
    )


def test_added_files_go_with_their_folders_but_not_with_those_that_hold_others(result):
    change(result, 1, OLD, MORE)
    change(result, 2, MORE, MORE | {"manifest.json": "2", "mattes/3/1.png": "M", "mattes/1/0": "k"})
    undo(result, 2, "3")
    assert contents(result) == MORE | {"manifest.json": "3"}
    assert not (result / "mattes/1").exists()
    (result / "mattes/of the user").write_text("mine")
    undo(result, 1, "4")
    assert contents(result) == OLD | {"manifest.json": "4", "mattes/of the user": "mine"}
    assert not (result / "mattes/3").exists()


def test_who_only_looks_sees_no_file_that_an_undo_is_dropping(result, monkeypatch):
    change(result, 1, OLD, MORE)
    with monkeypatch.context() as patch:
        patch.setattr(EditStore, "_move_into_place", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            undo(result, 1, "2")
    store = EditStore(result)
    assert store.locate("manifest.json").read_text() == "2"
    assert (result / "mattes/3/1.png").exists()
    assert not store.locate("mattes/3/1.png").exists()
    store.recover()
    assert contents(result) == OLD | {"manifest.json": "2"}


def test_what_a_killed_write_left_goes_with_the_next_change(result):
    (result / ".0123456789abcdef.tmp").write_text("half a manife")
    (result / ".mine.tmp").write_text("of the user")
    EditStore(result).locate("manifest.json")  # who only looks changes nothing
    assert (result / ".0123456789abcdef.tmp").exists()
    EditStore(result).recover()
    assert contents(result) == OLD | {".mine.tmp": "of the user"}


def test_any_number_of_steps_back(result):
    change(result, 1, OLD, NEW)
    change(result, 2, NEW, NEWER)
    assert contents(result) == NEWER
    undo(result, 2, "3")
    assert contents(result) == NEW | {"manifest.json": "3"}
    undo(result, 1, "4")
    assert contents(result) == OLD | {"manifest.json": "4"}
    assert not (result / "history").exists()


def test_where_files_cannot_be_linked_they_are_copied(result, monkeypatch):
    def refuses(*_names: object, **_how: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuses)
    change(result, 1, OLD, NEW)
    undo(result, 1, "2")
    assert contents(result) == OLD | {"manifest.json": "2"}


def test_what_was_begun_and_dropped_leaves_nothing(result):
    store = EditStore(result)
    with store.holding():
        write(store.begin(1), {"masks/1.png": "B"})
        store.drop(1)
    assert contents(result) == OLD
    assert not (result / "history").exists()


def test_one_command_at_a_time(result):
    store = EditStore(result)
    with store.holding():
        store.begin(1)
        with pytest.raises(BusyError, match="another command is correcting"):
            change(result, 2, OLD, NEW)
        with pytest.raises(BusyError):
            EditStore(result).recover()
    EditStore(result).recover()
    assert contents(result) == OLD


@pytest.mark.parametrize("where", ["history/undo-0001/gone", "mattes", "mattes/3"])
def test_nothing_is_dropped_through_a_link(result, tmp_path, where):
    outside = tmp_path / "outside"
    write(outside, {"1.png": "mine", "3/1.png": "mine", "mattes/3/1.png": "mine"})
    gone = result / "history" / "undo-0001" / "gone" / "mattes" / "3" / "1.png"
    gone.parent.mkdir(parents=True)
    gone.write_text("")
    if where.startswith("history"):
        (result / where).rename(result / "elsewhere")
    (result / where).parent.mkdir(exist_ok=True)
    (result / where).symlink_to(outside)
    before = contents(outside)
    with pytest.raises(OutputError, match="is a link"):
        EditStore(result).recover()
    assert contents(outside) == before
