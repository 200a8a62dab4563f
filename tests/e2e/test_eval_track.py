"""`vos eval lvos` and `davis`: only first masks are read, finished videos are kept, then scored."""

import io
import json
import shutil
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vos.model.sam2 import Sam2Model
from vos_cli import main

SIZE = (96, 128)
NUMBERS = list(range(1, 22, 5))
VIDEOS = {"0tCWPOrc": {1: 1}, "8lxxCA5h": {1: 1, 2: 6}}  # video -> object -> its first frame


def run(*arguments, code=0):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        returned = main.run(["eval", *map(str, arguments), "--progress", "none"])
    assert returned == code, err.getvalue()
    return out.getvalue(), err.getvalue()


def draw(index, objects):
    """A textured scene and its label map; object 2 is a square, object 1 a disk that moves."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    image = np.stack([rows + 40, columns, (rows * columns) % 90 + 60], axis=-1).astype(np.uint8)
    labels = np.zeros(SIZE, np.uint8)
    labels[(rows - 50) ** 2 + (columns - 30 - 4 * index) ** 2 < 350] = 1
    image[labels == 1] = (230, 40, 30)
    if 2 in objects:
        labels[8:34, 90:116] = 2
        image[8:34, 90:116] = (30, 200, 60)
    return image, labels


def save_labels(path, labels):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(labels)
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [9] * 759)
    image.save(path)


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """The data set, tracked once to `a`; what was printed."""
    root = make_lvos(tmp_path_factory.mktemp("lvos"))
    out, _ = run(*lvos_args(root, "a", "--json"))
    return root, json.loads(out)


@pytest.fixture
def lvos(tmp_path, tracked):
    """A copy of it for tests that spoil something."""
    shutil.copytree(tracked[0], tmp_path, dirs_exist_ok=True)
    return tmp_path


def make_lvos(root):
    valid = root / "LVOS/valid"
    meta = {}
    for video, objects in VIDEOS.items():
        for index, number in enumerate(NUMBERS):
            visible = [i for i, first in objects.items() if number >= first]
            image, labels = draw(index, visible)
            picture = valid / f"JPEGImages/{video}/{number:08d}.jpg"
            picture.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(picture, quality=95)
            save_labels(valid / f"Annotations/{video}/{number:08d}.png", labels)
        meta[video] = {
            "objects": {
                str(i): {
                    "frame_range": {
                        "start": str(first),
                        "end": str(NUMBERS[-1]),
                        "frame_nums": str((NUMBERS[-1] - first) // 5),
                    }
                }
                for i, first in objects.items()
            }
        }
    (valid / "valid_meta.json").write_text(json.dumps({"videos": meta}))
    return root


def lvos_args(root, out, *more):
    return ("lvos", root / "LVOS", "--version", "2", "-o", root / out, "--jobs", 1, *more)


def files_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.png"))
    }


def test_tracks_scores_and_reads_only_first_masks(lvos, tracked, monkeypatch):
    content = tracked[1]
    assert [(o["video"], o["object_id"], o["frames"]) for o in content["objects"]] == [
        ("0tCWPOrc", 1, 2), ("8lxxCA5h", 1, 2), ("8lxxCA5h", 2, 1),
    ]  # fmt: skip
    assert content["global"]["J"] is not None
    masks = files_of(lvos / "a/predictions")
    assert len(masks) == 2 * len(NUMBERS)
    late = np.array(Image.open(lvos / "a/predictions/8lxxCA5h/00000001.png"))
    assert 2 not in late
    first = np.array(Image.open(lvos / "a/predictions/0tCWPOrc/00000001.png"))
    assert (first == 1).sum() > 200

    rng = np.random.default_rng(1)
    for video, objects in VIDEOS.items():
        for number in NUMBERS:
            path = lvos / f"LVOS/valid/Annotations/{video}/{number:08d}.png"
            labels = np.array(Image.open(path))
            noise = rng.integers(0, 3, SIZE).astype(np.uint8)
            for object_id, first in objects.items():
                if first == number:  # keep this object's pixels, spoil all others
                    noise[noise == object_id] = 0
                    noise[labels == object_id] = object_id
            save_labels(path, noise)
    monkeypatch.chdir(lvos)  # with places as users give them
    run(*lvos_args(Path(), "b"))
    assert files_of(lvos / "b/predictions") == masks
    assert {path.name for path in (lvos / "b").iterdir()} == {".lock", "run.json", "predictions"}


def test_resumes_per_video_and_refuses_to_mix(lvos):
    before = files_of(lvos / "a/predictions")
    kept = lvos / "a/predictions/8lxxCA5h"
    stamp = kept.stat().st_mtime_ns
    (lvos / "a/predictions/0tCWPOrc").rename(lvos / "gone")
    (lvos / "a/predictions/.0tCWPOrc.part").mkdir()  # as an interrupted run leaves it
    _, err = run(*lvos_args(lvos, "a"))
    assert "1 finished videos kept" in err
    assert files_of(lvos / "a/predictions") == before
    assert kept.stat().st_mtime_ns == stamp
    _, err = run(*lvos_args(lvos, "a", "--split", "train"), code=3)
    record = json.loads((lvos / "a/run.json").read_text())
    assert len(record["model_sha256"]) == 64
    (lvos / "a/run.json").write_text(json.dumps(record | {"model_sha256": "0"}))
    _, err = run(*lvos_args(lvos, "a"), code=2)
    assert "model_sha256" in err
    assert "--overwrite" in err
    run(*lvos_args(lvos, "a", "--overwrite", "--limit", "1"))
    assert [p.name for p in (lvos / "a/predictions").iterdir()] == ["0tCWPOrc"]


def test_shards_and_limit(lvos, tracked):
    shutil.rmtree(lvos / "a")
    out, err = run(*lvos_args(lvos, "a", "--shard", "1/2"))
    assert out == ""
    assert "1 of 2 videos are not tracked yet" in err
    assert [p.name for p in (lvos / "a/predictions").iterdir()] == ["0tCWPOrc"]
    out, _ = run(*lvos_args(lvos, "a", "--shard", "2/2", "--json"))
    whole = json.loads(out)
    assert whole == tracked[1]
    out, err = run(*lvos_args(lvos, "a", "--limit", "1", "--json"))
    limited = json.loads(out)
    assert [o["video"] for o in limited["objects"]] == ["0tCWPOrc"]
    assert limited["global"]["Ju"] is None
    assert limited["global"]["Js"] == whole["global"]["Js"]
    assert "1 of 2 videos" in err
    run(*lvos_args(lvos, "a", "--shard", "3/2"), code=2)


def test_first_mask_missing_or_empty(lvos):
    path = lvos / "LVOS/valid/Annotations/8lxxCA5h/00000006.png"
    save_labels(path, np.zeros(SIZE, np.uint8))
    shutil.rmtree(lvos / "a/predictions/8lxxCA5h")
    assert "no pixel of object 2" in run(*lvos_args(lvos, "a"), code=3)[1]
    path.unlink()
    assert "object 2: no first mask" in run(*lvos_args(lvos, "a"), code=3)[1]


def make_davis(root, *, is_2016):
    middle = "" if is_2016 else "480p"
    for index in range(5):
        image, labels = draw(index, [1] if is_2016 else [1, 2])
        picture = root / "JPEGImages" / middle / f"ball/{index:05d}.jpg"
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(picture, quality=95)
        labels = labels * 255 if is_2016 else labels
        save_labels(root / "Annotations" / middle / f"ball/{index:05d}.png", labels)
    return root


@pytest.mark.parametrize("is_2016", [True, False])
def test_davis(tmp_path, is_2016):
    root = make_davis(tmp_path / "DAVIS", is_2016=is_2016)
    out, _ = run("davis", root, "-o", tmp_path / "out", "--json", "--jobs", 1)
    content = json.loads(out)
    assert [o["object_id"] for o in content["objects"]] == ([1] if is_2016 else [1, 2])
    assert content["global"]["J"] is not None
    labels = np.array(Image.open(tmp_path / "out/predictions/ball/00000.png"))
    assert (labels == 1).sum() > 200


def test_the_environment_the_file_and_flags_choose_the_model_options(tmp_path, monkeypatch):
    root, out = make_davis(tmp_path / "DAVIS", is_2016=True), tmp_path / "out"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vos.toml").write_text('policy = "visible"\nsize = 96\n')
    monkeypatch.setenv("VOS_SIZE", "128")
    sides = []
    original = Sam2Model.encode_image
    monkeypatch.setattr(
        Sam2Model,
        "encode_image",
        lambda self, image: sides.append(image.shape[-1]) or original(self, image),
    )
    arguments = ("davis", root, "-o", out, "--jobs", 1)
    run(*arguments, "--exact")
    assert set(sides) == {128}
    record = json.loads((out / "run.json").read_text())
    chosen = {"size_px": 128, "input_px": 128, "exact": True, "policy": "visible"}
    assert chosen.items() <= record.items()
    _, err = run(*arguments, "--exact", "--size", 64, code=2)
    assert "made with other input_px, size_px" in err
    run(*arguments, "--pool-memory", "2", "--overwrite")
    assert json.loads((out / "run.json").read_text())["pool_memory"] == 2


def test_predictions_of_before_all_options_were_recorded_are_kept(lvos):
    record = json.loads((lvos / "a/run.json").read_text())
    added = ("exact", "compile", "size_px", "pool_memory", "input_px")
    was = {name: value for name, value in record.items() if name not in added}
    (lvos / "a/run.json").write_text(json.dumps(was))
    assert "2 finished videos kept" in run(*lvos_args(lvos, "a"))[1]
    assert "made with other" in run(*lvos_args(lvos, "a", "--size", 128), code=2)[1]
