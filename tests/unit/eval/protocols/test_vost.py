"""VOST: J, J over the last quarter, void as the official tool treats it, and its lists."""

import numpy as np
import pytest

from unit.eval.made_sets import disc, write_video
from vos_eval.errors import EvalError
from vos_eval.evaluate import evaluate
from vos_eval.protocols.base import Options
from vos_eval.protocols.plan import Quirk
from vos_eval.report.export import write_csv

FRAMES = 12  # 10 are scored; the last quarter are those from index 7 on


def make(root, videos=("cut",), frames=FRAMES):
    for video in videos:
        write_video(
            root / "gt/Annotations" / video,
            [{1: disc(15 + n), 255: disc(45, radius=5)} for n in range(frames)],
        )
        write_video(
            root / "pred" / video,
            [
                {1: disc(15 + n) | (disc(45, radius=5) if n > 6 else False), 9: disc(5, 35, 3)}
                for n in range(frames)
            ],
        )
    (root / "gt/ImageSets").mkdir(parents=True)
    (root / "gt/ImageSets/val.txt").write_text("cut\n")
    return root / "gt", root / "pred"


def test_last_quarter_and_void(tmp_path):
    gt, pred = make(tmp_path)
    notes = []
    score = evaluate("vost", gt, pred, on_note=notes.append)
    (item,) = score.objects
    inside, void = int(disc(22).sum()), int(disc(45, radius=5).sum())
    expected = [1.0] * 6 + [inside / (inside + void)] * 4
    assert item.j == pytest.approx(expected, abs=1e-15)  # void counts as background
    assert score.totals["J"] == pytest.approx(np.mean(expected), abs=1e-15)
    assert score.totals["J_tr"] == pytest.approx(np.mean(expected[7:]), abs=1e-15)
    assert any("255" in note and "cut" in note for note in notes)

    notes.clear()
    fixed = evaluate("vost", gt, pred, Options(fixes=frozenset({Quirk.VOID})), on_note=notes.append)
    assert fixed.totals["J"] == fixed.totals["J_tr"] == 1
    (note,) = notes
    assert "predicted ids" in note
    assert "cut id 9" in note


def test_the_list_without_a_year(tmp_path):
    gt, pred = make(tmp_path, ("cut", "train_only"))
    assert {item.video for item in evaluate("vost", gt, pred).objects} == {"cut"}
    with pytest.raises(EvalError, match=r"ImageSets/test\.txt"):
        evaluate("vost", gt, pred, Options(split="test"))


def test_official_tables(tmp_path):
    gt, pred = make(tmp_path)
    score = evaluate("vost", gt, pred)
    paths = write_csv(score, tmp_path / "out.csv")
    first, total = (path.read_text().splitlines() for path in paths)
    assert first[0] == "Sequence,J-Mean,J_last-Mean"
    assert first[1].startswith("cut_1,0.")
    assert total[0] == "J-Mean,J-Recall,J-Decay,J_last-Mean,J_last-Recall,J_last-Decay"


def test_a_first_annotation_of_void_alone(tmp_path):
    gt, pred = make(tmp_path)
    write_video(gt / "Annotations/cut", [{255: disc(20)}] * FRAMES)
    with pytest.raises(EvalError, match="void"):
        evaluate("vost", gt, pred)
