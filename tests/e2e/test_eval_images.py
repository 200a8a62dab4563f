"""`vos eval images` over a plain im/ gt/ folder."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
from PIL import Image

from vos.loading import load
from vos.model.sam2 import Sam2Model
from vos.prompts import Points
from vos.track.compose import resize_to_video
from vos_cli import main
from vos_eval.metrics.clicks import click_ious, click_score


def run(*arguments, code=0):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        returned = main.run(["eval", "images", *map(str, arguments), "--progress", "none"])
    assert returned == code, err.getvalue()
    return out.getvalue(), err.getvalue()


@pytest.fixture
def root(tmp_path):
    for name, x in (("a", 40), ("b", 90)):
        rows, columns = np.mgrid[:96, :128]
        label = (((rows - 50) ** 2 + (columns - x) ** 2 < 700) * 255).astype(np.uint8)
        image = np.stack([rows + 40, columns, rows // 2 + 60], axis=-1).astype(np.uint8)
        image[label > 0] = (230, 40, 30)
        for folder, array in (("im", image), ("gt", label)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(array).save(tmp_path / f"{folder}/{name}.png")
    return tmp_path


def test_box(root):
    content = json.loads(run(root, "--json")[0])
    assert content["protocol"] == "box"
    assert len(content["model_sha256"]) == 64
    assert (content["size_px"], content["input_px"]) == (None, 320)
    (row,) = content["rows"]
    assert [one["name"] for one in row["sets"]] == [root.name, "average"]
    assert all(0 <= one["mIoU"] <= 1 and one["images"] == 2 for one in row["sets"])


def test_the_environment_and_flags_choose_the_model_options(root, monkeypatch):
    monkeypatch.setenv("VOS_SIZE", "128")
    content = json.loads(run(root, "--json", "--exact", "--limit", "1")[0])
    assert (content["input_px"], content["exact"]) == (128, True)


def test_points(root):
    out, _ = run(root, "--protocol", "points", "--limit", "1")
    lines = out.splitlines()
    assert lines[0].split() == ["prompt", "set", "mIoU", "mBIoU", "images"]
    assert [line.split()[0] for line in lines[1::2]] == ["1", "2", "5", "10"]


def test_clicks(root):
    content = json.loads(run(root, "--protocol", "clicks", "--json", "--limit", "1")[0])
    pooled = content["pooled"]
    assert list(pooled) == ["5-mIoU", "NoC90", "NoC95", "NoF95", "images"]
    assert 1 <= pooled["NoC90"] <= pooled["NoC95"] <= 20


@pytest.fixture
def encoded(monkeypatch):
    """One entry per run of the image encoder."""
    calls = []
    original = Sam2Model.encode_image
    monkeypatch.setattr(
        Sam2Model, "encode_image", lambda self, image: calls.append(1) or original(self, image)
    )
    return calls


def test_clicks_score_as_clicked_one_after_the_other_with_one_encoder_pass(root, encoded):
    pooled = json.loads(run(root, "--protocol", "clicks", "--json")[0])["pooled"]
    assert len(encoded) == 2
    tracker, curves = load("auto"), []
    for name in ("a", "b"):
        label = np.array(Image.open(root / f"gt/{name}.png"))
        image = tracker.image(root / f"im/{name}.png")

        def predict(clicks, image=image, label=label):
            points = tuple((float(click.x_px), float(click.y_px)) for click in clicks)
            prompt = Points(1, points, tuple(int(click.is_positive) for click in clicks))
            logits = image.decode([prompt])[1].logits
            return resize_to_video(logits, label.shape)[0, 0].sigmoid().cpu().numpy()

        curves.append(click_ious(label > 0, predict))
    expected = click_score(curves)
    assert pooled["5-mIoU"] == pytest.approx(expected.iou_at_5, abs=1e-12)
    assert pooled["NoC90"] == expected.noc90
    assert pooled["NoC95"] == expected.noc95
    assert pooled["NoF95"] == expected.nof95


def test_points_of_one_image_share_one_encoder_pass(root, encoded):
    run(root, "--protocol", "points", "--limit", "1")
    assert len(encoded) == 1


def test_problems_are_named(root):
    Image.fromarray(np.full((5, 5), 255, np.uint8)).save(root / "gt/a.png")
    assert "5x5" in run(root, code=3)[1]
    (root / "gt/b.png").unlink()
    assert "b.png has no label" in run(root, code=3)[1]
    assert "no image set" in run(root / "im", code=3)[1]


def paint(path, values):
    """Write the label again with other values; values: of background and object."""
    label = np.array(Image.open(path)) > 0
    Image.fromarray(np.where(label, values[1], values[0]).astype(np.uint8)).save(path)


@pytest.mark.parametrize("protocol", ["box", "points"])
def test_an_image_of_ids_is_not_scored_as_an_empty_label(root, protocol):
    paint(root / "gt/b.png", (0, 2))
    out, err = run(root, "--protocol", protocol, code=3)
    assert out == ""
    assert "b.png: its highest value is 2" in err
    assert "split" in err


@pytest.mark.parametrize("protocol", ["box", "points", "clicks"])
def test_black_labels_are_left_out_and_counted(root, protocol):
    paint(root / "gt/b.png", (0, 0))
    out, err = run(root, "--protocol", protocol, "--json")
    content = json.loads(out)
    pooled = content["pooled"] if protocol == "clicks" else content["rows"][0]["sets"][0]
    assert pooled["images"] == 1
    assert "black labels, left out: 1 (b)" in err
    paint(root / "gt/a.png", (0, 0))
    assert "every label is black" in run(root, "--protocol", protocol, code=3)[1]
