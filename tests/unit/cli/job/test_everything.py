"""Everything on stills and on a video's first frame, with a finder of the test's."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from e2e import clips
from vos.errors import PromptError
from vos.io.write.everything import run_lengths
from vos.track import everything, lookout
from vos.track.everything import Crop, FoundObject
from vos.track.lookout import MOST_FOLLOWED
from vos_cli.job.everything import find_prompts
from vos_cli.main import run
from vos_cli.options.track import TrackFlags

SIZE_HW = (clips.HEIGHT, clips.WIDTH)


def _found(rows: slice, columns: slice, iou_pred: float) -> FoundObject:
    logits = torch.full(SIZE_HW, -9.0)
    logits[rows, columns] = 9.0
    whole = Crop(0, 0, clips.WIDTH, clips.HEIGHT)
    return FoundObject(logits, (0, 0, 1, 1), (4.0, 5.0), iou_pred, 0.99, whole)


@pytest.fixture
def finds(tmp_path, monkeypatch):
    """Let the model find these objects, in a folder with an image and a clip."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(clips.picture(0)).save(tmp_path / "a.png")
    tracker = SimpleNamespace(model=None, dtype=torch.float32)
    monkeypatch.setattr("vos.loading.load", lambda _options: tracker)

    def finds(*objects: FoundObject):
        for module in (everything, lookout):
            monkeypatch.setattr(module, "find_everything", lambda *_: list(objects))
        return tracker

    return finds


SMALL = _found(slice(4, 10), slice(4, 20), 0.7)
LARGE = _found(slice(0, 40), slice(0, 50), 0.9)


def test_labels_run_lengths_and_overlay_of_an_image(finds, tmp_path, capsys):
    pycocotools = pytest.importorskip("pycocotools.mask")
    finds(SMALL, LARGE)
    assert run(["segment-everything", "a.png", "--model", "nano", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["images"] == [
        {
            "image": "a.png",
            "objects": 2,
            "files": ["a.png.png", "a.png.json", "a.png.overlay.jpg"],
        }
    ]
    folder = tmp_path / "a.png-everything"
    labels = np.asarray(Image.open(folder / "a.png.png"))
    assert (labels[5, 5], labels[30, 30], labels[60, 90]) == (2, 1, 0)
    content = json.loads((folder / "a.png.json").read_text())
    large, small = content["annotations"]
    assert (large["id"], large["bbox"], large["area"]) == (1, [0, 0, 50, 40], 2000)
    assert (small["predicted_iou"], small["point_xy_px"]) == (0.7, [4.0, 5.0])
    packed = pycocotools.frPyObjects(large["segmentation"], *SIZE_HW)
    assert np.array_equal(pycocotools.decode(packed), LARGE.mask(SIZE_HW))
    with Image.open(folder / "a.png.overlay.jpg") as overlay:
        assert overlay.size == SIZE_HW[::-1]
    assert run(["segment-everything", "a.png", "--model", "nano"]) == 2
    assert "is there already" in capsys.readouterr().err


def test_what_is_found_can_be_tracked_as_boxes(finds, capsys):
    finds(SMALL, LARGE)
    assert run(["segment-everything", "a.png", "--model", "nano", "-o", "out"]) == 0
    words = ["track", "a.png", "--boxes", "out/a.png.json", "--model", "null", "--save", "stats"]
    assert run(words) == 0
    assert "the first box of each track is a prompt (2 tracks)" in capsys.readouterr().err


def test_the_best_are_kept_and_nothing_is_said_to_be_nothing(finds, capsys):
    finds(SMALL, LARGE)
    assert run(["segment-everything", "a.png", "--model", "nano", "-o", "one", "--most", "1"]) == 0
    assert "2 objects, of which the 1 best are kept" in capsys.readouterr().err
    finds()
    assert run(["segment-everything", "a.png", "--model", "nano", "-o", "none"]) == 0
    assert "nothing was found; lower --min-iou" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["gone.png"], 3, "gone.png"),
        (["a.png", "a.png"], 2, "name one with -o"),
        (["a.png", "a.png", "-o", "x"], 3, "has that name too"),
        (["a.png", "--most", "256"], 2, "--most 256"),
        (["a.png", "--points", "0"], 2, "--points"),
        (["a.png", "--min-iou", "7"], 2, "--min-iou"),
        ([".", "-o", "a.png"], 2, "is there already"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_nothing(finds, tmp_path, capsys, words, code, says):
    finds(LARGE)
    assert run(["segment-everything", *words, "--model", "nano"]) == code
    assert says in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("seed", range(5))
def test_run_lengths_add_up_to_the_mask(seed):
    mask = np.random.default_rng(seed).random((5, 7)) < (0.0, 0.3, 0.5, 0.9, 1.0)[seed]
    runs = run_lengths(mask)
    values = np.repeat(np.arange(len(runs)) % 2, runs).astype(bool)
    assert np.array_equal(values.reshape(7, 5).T, mask)


def _job(tmp_path, **changes):
    clips.video(tmp_path / "a.mp4", 3)
    flags = TrackFlags(model="nano", **changes)
    return flags.job_without_prompts("a.mp4", tmp_path / "out", progress="none")


def test_a_video_s_objects_are_those_of_its_first_frame_and_do_not_cover_each_other(
    finds, tmp_path
):
    other = _found(slice(30, 60), slice(0, 50), 0.5)
    tracker = finds(SMALL, LARGE, other)
    prompts = find_prompts(_job(tmp_path, start="1f"), tracker, pytest.fail)
    assert [(one.object_id, one.frame_idx) for one in prompts] == [(1, 1), (2, 1)]
    assert np.array_equal(prompts[0].mask, LARGE.mask(SIZE_HW))
    assert np.array_equal(prompts[1].mask, other.mask(SIZE_HW) & ~LARGE.mask(SIZE_HW))


def test_there_are_64_objects_at_most_and_that_is_said(finds, tmp_path):
    many = [_found(slice(i // 12 * 8, i // 12 * 8 + 4), slice(i % 12 * 8, i % 12 * 8 + 4), 0.9)
            for i in range(70)]  # fmt: skip
    said: list[str] = []
    prompts = find_prompts(_job(tmp_path), finds(*many), said.append)
    assert len(prompts) == MOST_FOLLOWED
    assert said == [
        "--everything: 70 objects on frame 0, of which the 64 best are tracked; for others give "
        "--box or --mask"
    ]


def test_a_frame_without_objects_is_refused_with_the_way_out(finds, tmp_path):
    with pytest.raises(PromptError, match="nothing was found on frame 0; give a prompt"):
        find_prompts(_job(tmp_path), finds(), pytest.fail)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--box", "1,1,9,9"], "--everything and prompts contradict"),
        (["--boxes", "x.txt"], "--everything and prompts contradict"),
        (["--direction", "both"], "--direction both has nothing"),
        (["--model", "null"], "needs a model"),
    ],
)
def test_everything_stands_alone(finds, tmp_path, capsys, more, says):
    clips.video(tmp_path / "a.mp4", 3)
    assert run(["track", "a.mp4", "--everything", *more]) == 2
    assert says in capsys.readouterr().err
