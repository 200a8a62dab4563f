"""Exports that were interrupted, and those of masks that changed since."""

from __future__ import annotations

import resource
import shutil
import signal

import numpy as np
import pytest
from PIL import Image

from finished_result import FRAMES, export_result, label_map
from vos.errors import OutputError, VerificationError
from vos.io.results.layout import MASKS_NAME
from vos.io.results.part import locate_part
from vos.io.write.deliver import resume
from vos.io.write.deliver.export import export
from vos.io.write.deliver.finished import open_finished
from vos.io.write.deliver.order import Order, plan_export
from vos.io.write.deliver.stills.write import MattePngs
from vos.io.write.mask_png import encode_label_png

STOPPED_AT = 5


@pytest.fixture
def stop(make_result, tmp_path, monkeypatch):
    """Return a function that exports and is stopped, by Ctrl-C or at once; gives result, place."""

    def run(form, *, is_killed=False, **order):
        result, place = make_result(), tmp_path / "place"
        monkeypatch.setattr(resume, "_PERIOD_S", 0.0)
        opened = open_finished(result)
        plan = plan_export(opened, Order(form, output=place, **order))
        left = tmp_path / "left"

        def end(frame_idx):
            if frame_idx == STOPPED_AT:
                if is_killed:
                    shutil.copytree(locate_part(place), left)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            export(opened, plan, on_frame=end)
        opened.close()
        if is_killed:
            shutil.rmtree(locate_part(place), ignore_errors=True)
            left.rename(locate_part(place))
        assert not place.exists()
        return result, place

    return run


def read_all(place):
    return {one.name: one.read_bytes() for one in place.iterdir() if one.suffix != ".json"}


@pytest.mark.parametrize("is_killed", [False, True])
@pytest.mark.parametrize("form", ["png-matte", "png-rgba", "labelme"])
def test_stills_continue_where_they_were(stop, form, is_killed):
    result, place = stop(form, is_killed=is_killed)
    assert locate_part(place).is_dir()
    seen = []
    opened = open_finished(result)
    plan = plan_export(opened, Order(form, output=place))
    done = export(opened, plan, on_frame=seen.append)
    opened.close()
    assert done.resumed_at == STOPPED_AT + 1
    assert seen == list(range(STOPPED_AT + 1, FRAMES))
    whole, _, _ = export_result(result, form, output=place.with_name("whole"))
    assert read_all(place) == read_all(whole)
    assert not locate_part(place).exists()


@pytest.mark.parametrize("is_killed", [False, True])
@pytest.mark.parametrize("form", ["prores4444", "luma", "csv"])
def test_movies_and_tables_start_over(stop, form, is_killed):
    result, place = stop(form, is_killed=is_killed)
    assert locate_part(place).exists() == is_killed
    _, _, done = export_result(result, form, output=place)
    assert (done.resumed_at, done.frames) == (None, FRAMES)
    assert not locate_part(place).exists()


def test_what_a_kill_left_half_written_is_not_kept(stop):
    result, place = stop("png-matte", is_killed=True)
    part = locate_part(place)
    (part / "shot_Hand.0011.png").write_bytes(b"half")
    (part / ".half").write_bytes(b"half")
    assert export_result(result, "png-matte", output=place)[2].resumed_at == STOPPED_AT + 1
    assert np.array(Image.open(place / "shot_Hand.0011.png")).any()
    assert not (place / ".half").exists()


@pytest.mark.parametrize("damage", ["missing", "empty", "checkpoint"])
def test_frames_that_are_not_whole_any_more_start_over(stop, damage):
    result, place = stop("png-matte")
    part = locate_part(place)
    if damage == "missing":
        (part / "shot_Hand.0002.png").unlink()
    elif damage == "empty":
        (part / "shot_Hand.0002.png").write_bytes(b"")
    else:
        for one in (part / ".resume").rglob("checkpoint-*"):
            one.write_bytes(b"vosckpt1")
    _, _, done = export_result(result, "png-matte", output=place)
    assert done.resumed_at is None
    assert sum(1 for _ in place.glob("*.png")) == 2 * FRAMES


def test_another_export_or_older_masks_are_not_continued(stop):
    result, place = stop("png-matte")
    _, _, done = export_result(result, "png-matte", output=place, start_number=1001)
    assert done.resumed_at is None
    assert (place / "shot_Hand.1001.png").is_file()
    assert not (place / "shot_Hand.0000.png").exists()


def test_masks_that_changed_meanwhile_start_over(stop):
    result, place = stop("png-matte")
    change(result, 2)
    _, _, done = export_result(result, "png-matte", output=place)
    assert done.resumed_at is None
    assert not np.array(Image.open(place / "shot_Hand.0002.png")).any()


def change(result, frame_idx):
    """Take the second object out of a frame, as a correction would."""
    labels = label_map(frame_idx, (48, 64))
    labels[labels == 2] = 0
    (result / MASKS_NAME / f"{frame_idx:05d}.png").write_bytes(encode_label_png(labels))


@pytest.mark.parametrize("form", ["png-matte", "qtrle"])
def test_an_export_of_older_masks_is_made_anew(make_result, form):
    result = make_result()
    place, _, done = export_result(result, form)
    assert not done.is_renewed
    change(result, 0)
    _, _, done = export_result(result, form)
    assert (done.is_skipped, done.is_renewed) == (False, True)
    _, _, done = export_result(result, form)
    assert (done.is_skipped, done.is_renewed) == (True, False)
    (place / "notes.txt").write_text("mine")
    change(result, 1)
    with pytest.raises(OutputError, match=r"notes.txt holds files that vos did not write"):
        export_result(result, form)


def test_what_failed_its_proof_is_not_continued(stop, monkeypatch):
    result, place = stop("png-matte")
    drawn = MattePngs._draw
    monkeypatch.setattr(MattePngs, "_draw", lambda self, i, m: drawn(self, i, 255 - m))
    with pytest.raises(VerificationError):
        export_result(result, "png-matte", output=place)
    assert not locate_part(place).exists()
    monkeypatch.undo()
    assert export_result(result, "png-matte", output=place)[2].compared == 6


@pytest.mark.parametrize("form", ["prores4444", "vp9", "ffv1", "qtrle", "luma", "png-rgba", "csv"])
def test_a_full_disk_is_said_and_leaves_nothing(make_result, tmp_path, form):
    result = make_result((96, 128))
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (600, kept[1]))
        with pytest.raises(OutputError, match="disk is full"):
            export_result(result, form, output=tmp_path / "place")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
        signal.signal(signal.SIGXFSZ, handler)
    assert not [one.name for one in tmp_path.iterdir() if "place" in one.name]
