"""The documented example of a protocol of one's own works, and gives the numbers it says."""

import numpy as np
import pytest
from PIL import Image

from example_files import imported
from vos_eval.errors import EvalError
from vos_eval.evaluate import evaluate
from vos_eval.protocols import registry
from vos_eval.protocols.base import Options
from vos_eval.report.export import to_json, write_csv
from vos_eval.report.html import write_report


@pytest.fixture
def every_frame(monkeypatch):
    """The protocol of the file, known only during the test."""
    monkeypatch.setattr(registry, "PROTOCOLS", dict(registry.PROTOCOLS))
    with imported("every_frame_protocol"):
        yield registry.PROTOCOLS["every-frame"]


def save(path, *squares):
    """A 12 x 12 mask: each square is (object id, left column, side in pixels)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = np.zeros((12, 12), np.uint8)
    for object_id, left, side in squares:
        labels[:side, left : left + side] = object_id
    Image.fromarray(labels).save(path)


@pytest.fixture
def data(tmp_path):
    """Object 1 is there on three frames, object 7 from the second one on."""
    save(tmp_path / "gt/cat/00000.png", (1, 0, 4))
    save(tmp_path / "gt/cat/00001.png", (1, 0, 4), (7, 8, 2))
    save(tmp_path / "gt/cat/00002.png", (1, 0, 4), (7, 8, 2))
    save(tmp_path / "pred/cat/00000.png", (1, 0, 4))  # J 1
    save(tmp_path / "pred/cat/00001.png", (1, 2, 4), (7, 8, 2))  # 8 of 24 pixels: J 1/3; J 1
    save(tmp_path / "pred/cat/00002.png", (1, 0, 2))  # 4 of 16 pixels: J 1/4; missed: J 0
    return tmp_path


def test_numbers_worked_out_by_hand(every_frame, data):
    score = evaluate(every_frame, data / "gt", data / "pred")
    first, seventh = score.objects
    assert (first.object_id, seventh.object_id) == (1, 7)
    assert first.frames == ("00000", "00001", "00002")
    assert first.j.tolist() == [1, 1 / 3, 1 / 4]
    assert seventh.frames == ("00001", "00002")
    assert seventh.j.tolist() == [1, 0]
    expected = ((1 + 1 / 3 + 1 / 4) / 3 + 1 / 2) / 2
    assert score.totals == {"J": pytest.approx(expected, abs=1e-15)}


def test_every_output_knows_the_protocol(every_frame, data):
    score = evaluate(every_frame, data / "gt", data / "pred")
    content = to_json(score)
    assert content["protocol"] == "every-frame"
    assert list(content["global"]) == ["J"]
    assert list(content["objects"][0]) == ["video", "object_id", "J", "frames"]
    assert write_csv(score, data / "scores.csv") == [data / "scores.csv"]
    assert (data / "scores.csv").read_text().splitlines() == [
        "Sequence,J-Mean", "cat_1,0.528", "cat_7,0.500",
    ]  # fmt: skip
    page = write_report(score, data / "gt", data / "pred", Options(), data / "html").read_text()
    assert "J 51.4" in page
    assert "published numbers" not in page.replace("published numbers of single images", "")


def test_the_rules_of_all_protocols_hold(every_frame, data):
    (data / "pred/cat/00001.png").unlink()
    with pytest.raises(EvalError, match="00001"):
        evaluate(every_frame, data / "gt", data / "pred")
    with pytest.raises(EvalError, match="no split lists"):
        evaluate(every_frame, data / "gt", data / "pred", Options(split="val"))


def test_a_name_is_taken_once(every_frame):
    registry.register(every_frame)
    with pytest.raises(ValueError, match="every-frame"):
        registry.register(type(every_frame)("every-frame", "", None, None, (), None))
