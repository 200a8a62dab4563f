"""What cannot be exported, and what an export that fails leaves."""

from __future__ import annotations

import errno
import json

import pytest
from PIL import Image

from finished_result import SIZE_HW, export_result, write_result
from vos.errors import InputError, OutputError, UsageError
from vos.io.results.manifest import MANIFEST_NAME
from vos.io.write.deliver.export import export
from vos.io.write.deliver.finished import open_finished
from vos.io.write.deliver.order import Order, plan_export
from vos.io.write.deliver.stills import png


def test_an_equal_export_is_skipped_and_another_one_refused(make_result, tmp_path):
    result = make_result()
    place, _, _ = export_result(result, "csv", output=tmp_path / "table")
    assert export_result(result, "csv", output=place)[2].is_skipped
    with pytest.raises(OutputError, match="other settings"):
        export_result(result, "csv", output=place, span=(0, 3))
    assert not export_result(result, "csv", output=place, span=(0, 3), overwrite=True)[2].is_skipped


def test_a_place_in_or_over_a_result_is_refused(make_result, tmp_path):
    result = make_result()
    for place in (result, result / "inside", tmp_path):
        with pytest.raises(OutputError, match="result itself"):
            export_result(result, "csv", output=place, overwrite=True)
    other = write_result(tmp_path / "shot.mov", tmp_path / "other", SIZE_HW)
    with pytest.raises(OutputError, match="no export replaces"):
        export_result(result, "csv", output=other, overwrite=True)
    with pytest.raises(OutputError, match="an export is a folder"):
        export_result(result, "ffv1", output=tmp_path / "out.mkv")


@pytest.mark.parametrize(
    "form", ["png-matte", "green", "coco", "ytvis", "cvat", "yolo-seg", "mots", "labelme", "csv"]
)
def test_a_full_disk_is_one_line_and_leaves_nothing(make_result, tmp_path, monkeypatch, form):
    if form in ("coco", "ytvis", "mots"):
        pytest.importorskip("pycocotools", reason="the extra `deliver` is not installed")
    result = make_result()

    def full(*_args, **_more):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(png.os, "fsync", full)
    with pytest.raises(OutputError, match="disk is full"):
        export_result(result, form, output=tmp_path / "place")
    monkeypatch.undo()
    assert not [one for one in tmp_path.iterdir() if "place" in one.name]


@pytest.mark.parametrize("form", ["prores4444", "green", "cvat", "yolo-seg"])
def test_an_interrupted_export_leaves_nothing(make_result, tmp_path, form):
    opened = open_finished(make_result())
    plan = plan_export(opened, Order(form, output=tmp_path / "place"))

    def interrupt(frame_idx):
        if frame_idx == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(opened, plan, on_frame=interrupt)
    opened.close()
    assert not [one for one in tmp_path.iterdir() if "place" in one.name]


def test_results_that_cannot_be_exported(make_result, tmp_path):
    with pytest.raises(InputError, match="no such result"):
        open_finished(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no finished result"):
        open_finished(tmp_path / "empty")
    result = make_result()
    path = result / "masks" / "00007.png"
    Image.new("L", (32, 48)).save(path)
    with pytest.raises(InputError, match=r"00007.png: is 32 x 48, where the others are 64 x 48"):
        open_finished(result)  # before anything is written
    path.unlink()
    with pytest.raises(InputError, match="without gaps"):
        export_result(result, "png-matte")
    for one in (result / "masks").glob("*.png"):
        one.unlink()
    with pytest.raises(InputError, match="has no masks"):
        export_result(result, "png-matte")


def test_a_result_without_objects(make_result):
    result = make_result(has_stats=False)
    path = result / MANIFEST_NAME
    manifest = json.loads(path.read_text())
    manifest["parameters"]["prompts"] = []
    path.write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="has no objects"):
        open_finished(result)


def test_names_that_collide_are_refused(make_result):
    result = make_result(names={1: "Dog!", 2: "dög"})
    with pytest.raises(UsageError, match=r"objects 1 \('Dog!'\) and 2 \('dög'\)"):
        export_result(result, "png-matte")
    place, _, _ = export_result(result, "png-matte", name="{clip}_{id}.%04d")
    assert (place / "shot_2.0000.png").is_file()


def test_wide_frames_are_refused_before_work(make_result, monkeypatch):
    opened = open_finished(make_result())
    object.__setattr__(opened, "size_hw", (48, 70_000))
    with pytest.raises(UsageError, match=r"70000 x 48 do not fit ffv1"):
        plan_export(opened, Order("ffv1"))
    opened.close()


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"format": "mp3"}, "no format"),
        (
            {"format": "csv", "objects": ("7",)},
            r"no object; there are 1 \(coffee cup\), 2 \(Hand\)",
        ),
        ({"format": "csv", "objects": ()}, "names no object"),
        ({"format": "csv", "is_inverted": True}, "no mattes"),
        ({"format": "csv", "span": (0, 12)}, "stay within"),
        ({"format": "ffv1", "bits": 16}, "leave it out"),
        ({"format": "ffv1", "start_number": 1001}, "without numbers"),
        ({"format": "png-matte", "start_number": -1}, "from 0 to"),
    ],
)
def test_orders_that_contradict(make_result, order, message):
    opened = open_finished(make_result())
    with pytest.raises(UsageError, match=message):
        plan_export(opened, Order(**order))
    opened.close()
