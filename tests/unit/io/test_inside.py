"""Nothing inside a folder is reached through a link, with descriptors and without."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vos.errors import OutputError
from vos.io import inside as module
from vos.io.inside import Inside


@pytest.fixture(params=[True, False], ids=["descriptors", "paths"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "_HAS_DESCRIPTORS", request.param)
    for name in ("outside/deep", "root/real"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_text(name)
    (tmp_path / "named").symlink_to("root")  # the user's own link, which is followed
    return tmp_path / "named"


def contents(folder: Path) -> dict[str, str | None]:
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else None
        for path in folder.rglob("*")
    }


OPERATIONS: dict[str, Callable[[Inside, str], object]] = {
    "open": lambda inside, place: os.close(inside.open(place, os.O_RDWR | os.O_CREAT)),
    "make": lambda inside, place: inside.make_folder(place),
    "make deeper": lambda inside, place: inside.make_folder(f"{place}/new"),
    "write deeper": lambda inside, place: inside.write(f"{place}/file", b"new"),
    "move into": lambda inside, place: inside.move("real/file", f"{place}/file"),
    "move out of": lambda inside, place: inside.move(f"{place}/file", "file"),
    "link into": lambda inside, place: inside.link("real/file", f"{place}/copy"),
    "link out of": lambda inside, place: inside.link(f"{place}/file", "copy"),
    "remove deeper": lambda inside, place: inside.remove(f"{place}/file"),
    "list": lambda inside, place: inside.files(place),
    "list above": lambda inside, _place: inside.files(),
    "sync": lambda inside, place: inside.sync(place),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("target", ["../outside/deep", "../outside/deep/../deep", "../outside"])
def test_a_link_is_refused(root, operation, target):
    outside = root.parent / "outside"
    (root / "link").symlink_to(target)
    before = contents(outside)
    with pytest.raises(OutputError, match="is a link"):
        OPERATIONS[operation](Inside(root), "link")
    assert contents(outside) == before


@pytest.mark.parametrize("place", ["..", "../outside/file", ".", "real/../../outside/file"])
@pytest.mark.parametrize("operation", ["open", "make", "remove deeper", "move into"])
def test_what_leads_outside_is_refused(root, operation, place):
    before = contents(root.parent / "outside")
    if place == "." and operation in ("remove deeper", "move into"):
        return  # a place inside
    with pytest.raises(OutputError, match="is not inside"):
        OPERATIONS[operation](Inside(root), place)
    assert contents(root.parent / "outside") == before


def test_the_link_itself_is_deleted_and_replaced(root):
    inside, outside = Inside(root), root.parent / "outside"
    before = contents(outside)
    for name in ("a", "b", "c"):
        (root / name).symlink_to(outside / "deep" if name == "a" else outside / "deep/file")
    inside.remove("a")
    inside.write("b", b"new")
    inside.move("real/file", "c")
    assert not os.path.lexists(root / "a")
    assert (root / "b").read_text() == "new"
    assert (root / "c").read_text() == "root/real"
    assert not (root / "b").is_symlink()
    assert not (root / "c").is_symlink()
    assert contents(outside) == before


def test_what_is_really_inside_is_written(root):
    inside = Inside(root)
    inside.make_folder("new/deep")
    inside.make_folder(root / "new/deep")
    with pytest.raises(FileExistsError):
        inside.make_folder("new", is_new=True)
    inside.write(root / "new/deep/file", b"1")
    inside.write("x" * 250, b"long")
    inside.link("new/deep/file", "other/file")
    inside.move("new/deep", "moved")
    inside.sync(".")
    files = [Path("moved/file"), Path("other/file"), Path("real/file"), Path("x" * 250)]
    assert inside.files() == files
    inside.remove("new")
    inside.remove("not there/at all")
    inside.remove("moved")
    assert inside.files() == files[1:]


def test_a_root_from_the_current_folder_is_the_same_root(root, monkeypatch):
    monkeypatch.chdir(root.parent)
    inside = Inside(Path("named"))
    monkeypatch.chdir(root.parent / "outside")
    inside.make_folder("new")
    inside.write("new/a", b"1")
    inside.move(root / "new", "named")
    inside.remove("real")
    assert inside.files() == [Path("named/a")]
    assert contents(root.parent / "outside") == {"deep": None, "deep/file": "outside/deep"}
