"""From a download to the table or the zip, in one command per data set."""

import io
import json
import shutil
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import data_set_layouts as layouts
from vos_cli import main
from vos_cli.evaluate import submission


@pytest.fixture
def evaluate(monkeypatch, tracker, tmp_path):
    """Run `vos eval ...` with a small tracker, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vos.loading.load", lambda _options: tracker)

    def run(*arguments, code=0):
        out, err = io.StringIO(), io.StringIO()
        more = ("--jobs", 1, "--progress", "none")
        with redirect_stdout(out), redirect_stderr(err):
            returned = main.run(["eval", *map(str, (*arguments, *more))])
        assert returned == code, err.getvalue()
        return out.getvalue(), err.getvalue()

    return run


def read(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


def names_in(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return set(archive.namelist())


def objects_of(text: str) -> list[tuple[str, int]]:
    return [(one["video"], one["object_id"]) for one in json.loads(text)["objects"]]


def test_davis_as_downloaded(evaluate, tmp_path):
    layouts.davis_2016(tmp_path / "D16")
    out, err = evaluate("davis", "D16", "--json", "-o", "a")
    assert objects_of(out) == [("bear", 1)]
    assert "ImageSets/480p/val.txt" in err
    layouts.davis_2017(tmp_path / "D17")
    out, _ = evaluate("davis", "D17", "--json", "-o", "b")
    assert objects_of(out) == [("bear", 1), ("goat", 1), ("goat", 2)]
    out, _ = evaluate("davis", "D17", "--json", "-o", "c", "--year", 2016)
    assert objects_of(out) == [("goat", 1)]
    labels = read(tmp_path / "c/predictions/goat/00000.png")
    assert set(np.unique(labels)) <= {0, 1}


def test_year_2016_scores_all_objects_as_one(evaluate, tmp_path):
    """Perfect predictions of one object get a perfect score."""
    layouts.davis_2017(tmp_path / "D")
    evaluate("davis", "D", "--year", 2016, "-o", "out")
    for index in range(layouts.FRAMES):
        labels = layouts.TWO.labels(index) > 0
        layouts.write_mask(tmp_path / f"out/predictions/goat/{index:05d}.png", labels)
    out, _ = evaluate("davis", "D", "--year", 2016, "-o", "out", "--json")
    assert json.loads(out)["global"]["J&F"] == 1


def test_without_true_masks_there_is_a_zip_for_the_server(evaluate, tmp_path):
    layouts.davis_2017(tmp_path / "D", split="test-dev")
    out, err = evaluate("davis", "D", "--split", "test-dev", "-o", "a")
    assert out.strip() == "a/submission.zip"
    assert "nothing is scored" in err.split("a/submission.zip")[0]
    assert "codalab.lisn.upsaclay.fr/competitions/6812" in err
    frames = [f"{index:05d}.png" for index in range(layouts.FRAMES)]
    assert names_in(tmp_path / out.strip()) == {
        f"{v}/{f}" for v in ("bear", "goat") for f in frames
    }
    first = (tmp_path / "a/submission.zip").read_bytes()
    _, err = evaluate("davis", "D", "--split", "test-dev", "-o", "a")
    assert "2 finished videos kept" in err
    assert (tmp_path / "a/submission.zip").read_bytes() == first

    layouts.ytvos(tmp_path / "Y")
    out, _ = evaluate("ytvos", "Y", "--year", 2018, "--json", "-o", "b")
    content = json.loads(out)
    assert content["global"] is None
    assert "7685" in content["send_to"]
    assert "Annotations/walk/00035.png" in names_in(Path(content["submission"]))
    assert 2 not in read(tmp_path / "b/predictions/walk/00000.png")
    assert 2 in read(tmp_path / "b/predictions/walk/00025.png")

    out, _ = evaluate("ytvos", "Y", "--all-frames", "-o", "f")
    assert names_in(tmp_path / out.strip()) == names_in(tmp_path / "b/submission.zip")
    assert len(list((tmp_path / "f/predictions/walk").iterdir())) == 2 * layouts.FRAMES

    layouts.mose(tmp_path / "M")
    out, _ = evaluate("mose", "M")
    assert out.strip() == "vos-eval-mose-valid/submission.zip"
    labels = read(tmp_path / "vos-eval-mose-valid/predictions/herd/00000.png")
    assert set(np.unique(labels)) == {0, 7, 14}

    layouts.lvos(tmp_path / "L", split="test")
    out, err = evaluate("lvos", "L", "--version", 1, "--split", "test", "-o", "l")
    assert "8767" in err
    assert "8lxxCA5h/00000016.png" in names_in(tmp_path / "l/submission.zip")


def test_sav_keeps_overlapping_masks_and_is_scored_on_every_fourth_frame(evaluate, tmp_path):
    layouts.sav(tmp_path)
    out, _ = evaluate("sav", tmp_path, "--json", "-o", "out")
    content = json.loads(out)
    assert [(one["object_id"], one["frames"]) for one in content["objects"]] == [
        (0, 3), (1, 3), (2, 3),
    ]  # fmt: skip
    video = tmp_path / "out/predictions/sav_000001"
    assert sorted(path.name for path in video.iterdir()) == ["000", "001", "002"]
    assert len(list((video / "000").iterdir())) == 17
    whole, part = read(video / "000/00000.png"), read(video / "002/00000.png")
    assert (whole & part).any()
    assert not read(video / "001/00003.png").any()
    assert read(video / "001/00004.png").any()


def test_vost_and_mose_train_are_scored(evaluate, tmp_path):
    layouts.vost(tmp_path / "V")
    out, err = evaluate("vost", "V", "--json", "-o", "v")
    assert objects_of(out) == [("goat", 1), ("goat", 2)]
    assert "J_tr" in json.loads(out)["global"]
    assert "ImageSets/val.txt" in err
    layouts.mose(tmp_path / "M", split="train")
    out, _ = evaluate("mose", "M", "--split", "train", "--json", "-o", "m")
    assert objects_of(out) == [
        ("bear", 1), ("herd", 7), ("herd", 14), ("walk", 1), ("walk", 2),
    ]  # fmt: skip


def test_own_videos(evaluate, tmp_path):
    layouts.own(tmp_path)
    arguments = ("track", "--images", "images", "--masks", "masks")
    out, err = evaluate(*arguments, "--json", "-o", "a")
    assert objects_of(out) == [("herd", 7), ("herd", 14), ("walk", 1), ("walk", 2)]
    assert "scored by the sav rules" in err
    layouts.write_list(tmp_path / "one.txt", ["walk"])
    out, _ = evaluate(*arguments, "--list", "one.txt", "--every-mask", "-o", "b")
    assert len(names_in(tmp_path / out.strip())) == layouts.FRAMES
    assert json.loads((tmp_path / "b/run.json").read_text())["every_mask"] is True
    _, err = evaluate(*arguments, "--list", "one.txt", "-o", "b", code=2)
    assert "made with other every_mask" in err


def test_own_masks_of_black_and_white(evaluate, tmp_path):
    layouts.write_clip(layouts.ONE, tmp_path / "i", tmp_path / "m", change=lambda mask: mask * 255)
    arguments = ("track", "--images", "i", "--masks", "m", "--json", "-o", "out")
    out, _ = evaluate(*arguments)
    assert objects_of(out) == [("bear", 255)]
    for path in (tmp_path / "m/bear").iterdir():
        shutil.copy(path, tmp_path / "out/predictions/bear")
    out, _ = evaluate(*arguments)
    assert json.loads(out)["global"]["J&F"] == 1


def test_boxes_and_clicks_are_prompts_too(evaluate, tmp_path):
    layouts.davis_2017(tmp_path / "D")
    masks = {}
    for prompt in ("mask", "box", "clicks:1", "clicks:3"):
        out, _ = evaluate("davis", "D", "--prompt", prompt, "--json", "-o", prompt[-3:])
        assert len(objects_of(out)) == 3
        record = json.loads((tmp_path / prompt[-3:] / "run.json").read_text())
        assert record["prompt"] == prompt
        file = tmp_path / prompt[-3:] / "predictions/goat/00000.png"
        masks[prompt] = file.read_bytes()
    assert len(set(masks.values())) == 4
    _, err = evaluate("davis", "D", "--prompt", "clicks:0", code=2)
    assert "expected mask, box or clicks:N" in err
    _, err = evaluate("davis", "D", "--prompt", "box", "-o", "ask", code=2)
    assert "made with other prompt" in err


def test_speed_and_hardware_are_recorded_for_each_run(evaluate, tmp_path):
    layouts.davis_2017(tmp_path / "D")
    evaluate("davis", "D", "-o", "out", "--shard", "1/2")
    evaluate("davis", "D", "-o", "out", "--shard", "2/2")
    evaluate("davis", "D", "-o", "out")
    speed = json.loads((tmp_path / "out/run.json").read_text())["speed"]
    assert [one["frames"] for one in speed] == [layouts.FRAMES] * 2
    assert all(one["frames_per_s"] > 0 and one["device"] == "cpu" for one in speed)


def test_what_cannot_be_scored_is_said_before_tracking(evaluate, tmp_path, monkeypatch):
    monkeypatch.setattr("vos.loading.load", lambda _options: pytest.fail("a model was loaded"))
    layouts.lvos(tmp_path / "L", clips=(layouts.LVOS_SEEN,))
    _, err = evaluate("lvos", "L", "--version", 2, code=3)
    assert "no unseen video" in err
    layouts.mose(tmp_path / "M")
    _, err = evaluate("mose", "M", "--csv", "a.csv", code=2)
    assert "--csv a.csv: MOSE valid has no true masks here" in err
    _, err = evaluate("mose", "M", "--interactive", "online", code=2)
    assert "needs the true masks of later frames" in err
    layouts.davis_2017(tmp_path / "D")
    (tmp_path / "D/JPEGImages/480p/bear/00003.jpg").unlink()
    out, err = evaluate("davis", "D", "--json", code=3)
    assert "bear: no image for the mask" in err
    assert json.loads(out)["global"] is None
    _, err = evaluate("davis", tmp_path / "nowhere", code=3)
    assert "does not exist" in err
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("vos-eval")]


def test_a_gap_in_the_frames_is_said(evaluate, tmp_path):
    layouts.mose(tmp_path / "M")
    (tmp_path / "M/valid/JPEGImages/bear/00003.jpg").unlink()
    _, err = evaluate("mose", "M", "-o", "out")
    assert "warning: M/valid/JPEGImages/bear: number 2 is followed by 4" in err


def test_settings_nobody_knows_and_that_do_not_fit_are_errors(evaluate, tmp_path, monkeypatch):
    layouts.davis_2017(tmp_path / "D")
    monkeypatch.setenv("VOS_POLCY", "visible")
    _, err = evaluate("davis", "D", code=2)
    assert "VOS_POLCY: there is no such setting; set VOS_POLICY" in err
    monkeypatch.delenv("VOS_POLCY")
    _, err = evaluate("davis", "D", "--scene-cuts", "stop", code=2)
    assert "an evaluation needs a mask of every frame" in err
    _, err = evaluate("davis", "D", "--interactive", "offline", "--prompt", "box", code=2)
    assert "gives clicks only" in err


def test_no_space_for_the_zip_is_named_and_the_masks_are_kept(evaluate, tmp_path, monkeypatch):
    layouts.mose(tmp_path / "M")
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(submission.shutil, "disk_usage", lambda _path: usage)
    _, err = evaluate("mose", "M", "-o", "out", code=2)
    assert "out/submission.zip: needs" in err
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert not (tmp_path / "out/submission.zip").exists()
    assert len(list((tmp_path / "out/predictions").iterdir())) == 3


def test_a_zip_that_was_cut_short_leaves_nothing(evaluate, tmp_path, monkeypatch):
    layouts.mose(tmp_path / "M")

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    _, err = evaluate("mose", "M", "-o", "out", code=2)
    assert "out/submission.zip: the disk is full" in err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        ".lock", "predictions", "run.json",
    }  # fmt: skip


def test_a_part_of_a_data_set_is_not_handed_in(evaluate, tmp_path):
    layouts.mose(tmp_path / "M")
    out, err = evaluate("mose", "M", "--limit", 2, "-o", "out")
    assert out == ""
    assert "servers take all 3 videos, and --limit leaves 1 out" in err
    assert not (tmp_path / "out/submission.zip").exists()
    out, err = evaluate("mose", "M", "-o", "out")
    assert "2 finished videos kept" in err
    assert out.strip() == "out/submission.zip"


def test_videos_of_another_data_set_with_the_same_names_are_not_taken(evaluate, tmp_path):
    layouts.davis_2016(tmp_path / "D16")
    layouts.davis_2017(tmp_path / "D17")
    evaluate("davis", "D16", "-o", "out")
    _, err = evaluate("davis", "D17", "-o", "out", code=2)
    assert "out/predictions: bear: made of other images or masks" in err
    out, _ = evaluate("davis", "D17", "-o", "out", "--overwrite", "--json")
    assert objects_of(out) == [("bear", 1), ("goat", 1), ("goat", 2)]


def test_videos_that_come_later_are_added(evaluate, tmp_path):
    layouts.own(tmp_path, masked=[0])
    arguments = ("track", "--images", "images", "--masks", "masks", "-o", "out")
    shutil.move(tmp_path / "masks/herd", tmp_path / "herd")
    evaluate(*arguments)
    shutil.move(tmp_path / "herd", tmp_path / "masks/herd")
    out, err = evaluate(*arguments)
    assert "1 finished videos kept" in err
    assert len(names_in(tmp_path / out.strip())) == 2 * layouts.FRAMES
