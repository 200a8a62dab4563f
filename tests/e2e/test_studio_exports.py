"""Exports on the page, without a server: the same work as `vos export`, watched and stopped."""

from __future__ import annotations

import io
import shutil
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from e2e.results import contents
from vos.errors import UsageError
from vos.io.write.deliver.edges import Edges
from vos.io.write.deliver.export import export
from vos.io.write.deliver.finished import open_finished
from vos.io.write.deliver.order import Order, plan_export
from vos_cli.studio import exports as module
from vos_cli.studio.exports import Exports, without_unfit, zipped

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

from vos_cli.studio.export_routes import draw_look, find_close


@pytest.fixture
def exports():
    one = Exports()
    yield one
    one.close()


def test_it_writes_what_the_command_writes(exports: Exports, result: Path, tmp_path: Path):
    edges = Edges(grow=2, feather=1)
    exports.start(result, Order("png-matte", edges=edges), overwrite=False)
    exports.wait()
    told = exports.as_json()
    assert (told["state"], told["done"]) == ("done", told["total"])
    assert told["output"] == str(tmp_path / "out-png-matte")
    opened = open_finished(result)
    try:
        order = Order("png-matte", output=tmp_path / "by-command", edges=edges)
        export(opened, plan_export(opened, order))
    finally:
        opened.close()
    own, other = contents(tmp_path / "out-png-matte"), contents(tmp_path / "by-command")
    assert own.keys() == other.keys()
    assert all(own[name] == other[name] for name in own if name.endswith(".png"))
    assert told["files"] == len(own) - 1  # without the manifest


def test_the_preview_is_what_is_written(exports: Exports, result: Path):
    edges = Edges(grow=3, feather=2, temporal=1)
    exports.start(result, Order("png-matte", objects=("1",), edges=edges), overwrite=False)
    exports.wait()
    opened = open_finished(result)
    try:
        (path,) = [one for one in exports.files() if "0006." in one.name]
        seen = exports.matte(result, 0, 6, [1], edges)
        assert np.array_equal(np.asarray(Image.open(path)), seen)
        assert not np.array_equal(seen, np.where(opened.label_map(6) == 1, 255, 0))
    finally:
        opened.close()


def test_what_cannot_be_is_refused_before_any_work(exports: Exports, result: Path):
    with pytest.raises(UsageError):
        exports.start(result, Order("png-matte", objects=("99",)), overwrite=False)
    with pytest.raises(UsageError):
        exports.matte(result, 0, 6, [99], Edges())
    with pytest.raises(UsageError):
        exports.matte(result, 0, 6, [], Edges())
    assert exports.as_json()["state"] == "none"
    assert not result.with_name("out-png-matte").exists()


def test_another_export_is_replaced_only_when_asked(exports: Exports, result: Path):
    exports.start(result, Order("png-matte"), overwrite=False)
    exports.wait()
    exports.start(result, Order("png-matte", is_inverted=True), overwrite=False)
    exports.wait()
    told = exports.as_json()
    assert (told["state"], told["can_replace"], told["files"]) == ("failed", True, 0)
    assert "--overwrite" not in told["error"]
    exports.start(result, Order("png-matte", is_inverted=True), overwrite=True)
    exports.wait()
    assert exports.as_json()["state"] == "done"


def test_what_was_made_is_told_until_its_masks_change(exports: Exports, result: Path):
    for name in ("csv", "png-matte", "csv"):
        exports.start(result, Order(name), overwrite=True)
        exports.wait()
    places = [str(result.with_name(f"out-{name}")) for name in ("csv", "png-matte")]
    told = exports.as_json()["made"]
    assert told == [{"output": place, "is_current": True} for place in places]
    manifest = result / "manifest.json"
    again = manifest.with_name("again")  # as a correction writes it
    again.write_bytes(manifest.read_bytes())
    again.replace(manifest)
    assert [one["is_current"] for one in exports.as_json()["made"]] == [False, False]
    exports.start(result, Order("png-matte", is_inverted=True), overwrite=True)
    exports.wait()
    shutil.rmtree(places[0])
    assert exports.as_json()["made"] == [{"output": places[1], "is_current": True}]


def test_a_cancelled_export_leaves_nothing_in_its_place(
    exports: Exports, result: Path, monkeypatch: pytest.MonkeyPatch
):
    begun, go_on = threading.Event(), threading.Event()
    real = module._Watched.advance

    def advance(self) -> None:
        begun.set()
        assert go_on.wait(30)
        real(self)

    monkeypatch.setattr(module._Watched, "advance", advance)
    exports.start(result, Order("png-matte"), overwrite=False)
    assert begun.wait(30)
    exports.stop()
    go_on.set()
    exports.wait()
    assert exports.as_json()["state"] == "stopped"
    assert exports.files() == []
    assert not result.with_name("out-png-matte").exists()
    exports.start(result, Order("png-matte"), overwrite=False)
    exports.wait()
    assert exports.as_json()["state"] == "done"


def test_what_a_format_has_no_use_for_is_left_out():
    order = Order("csv", bits=16, background="blur", is_inverted=True, edges=Edges(grow=2))
    assert without_unfit(order) == Order("csv")
    order = Order("png-matte", bits=16, is_inverted=True, edges=Edges(grow=2))
    assert without_unfit(order) == order


def test_a_zip_is_whole(tmp_path: Path):
    place = tmp_path / "out"
    (place / "in").mkdir(parents=True)
    data = {"a.png": b"1" * 3_000_000, "in/b.csv": b"", "ü.txt": b"x"}
    for name, content in data.items():
        (place / name).write_bytes(content)
    pieces = list(zipped(sorted(place.rglob("*.*")), place))
    assert len(pieces) > 3  # not held as a whole
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {
            f"out/{name}": content for name, content in data.items()
        }


def test_looks():
    image = np.full((40, 60, 3), 200, np.uint8)
    matte = np.zeros((40, 60), np.uint8)
    matte[10:20, 30:40] = 255
    assert draw_look(image, matte, "matte").max() == 255
    on_green = draw_look(image, matte, "green")
    assert on_green[15, 35].tolist() == [200, 200, 200]
    assert on_green[0, 0].tolist() == [0, 177, 64]
    assert (
        draw_look(image, matte, "checker")[0, 0, 0] != draw_look(image, matte, "checker")[0, 16, 0]
    )
    rows, columns = find_close(matte)
    assert rows.start <= 10
    assert rows.stop >= 20
    assert columns.stop < 60
    assert find_close(np.zeros((4, 4), np.uint8)) == (slice(None), slice(None))
