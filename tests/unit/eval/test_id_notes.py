"""What a rule counts though it is nowhere, and what it passes over, is said with its effect."""

import pytest

from unit.eval.made_sets import disc, moving, write_davis, write_video
from vos_eval.errors import EvalUsageError
from vos_eval.evaluate import evaluate


def notes_of(protocol, gt, pred):
    notes = []
    score = evaluate(protocol, gt, pred, on_note=notes.append)
    assert tuple(notes) == score.notes
    return score, "\n".join(notes)


def test_gaps_in_ids(tmp_path):
    write_davis(tmp_path, {"own": (7, 14), "plain": (1, 2)}, {"pred": 4})
    score, notes = notes_of("davis", tmp_path / "gt", tmp_path / "pred")
    assert len(score.objects) == 16
    assert "12 of 16 scored objects are in no mask: own id 1-6, 8-13." in notes
    real = [o for o in score.objects if o.video == "plain" or o.object_id in (7, 14)]
    without = sum(o.j_mean + o.f_mean for o in real) / 2 / len(real)
    assert f"without them J&F is {100 * without:.1f}" in notes
    assert score.totals["J&F"] > without + 0.1
    by_ids, quiet = notes_of("sav", tmp_path / "gt/Annotations/480p", tmp_path / "pred")
    assert len(by_ids.objects) == 4
    assert not quiet


def test_a_late_object_below_the_highest_id_is_no_phantom(tmp_path):
    late = [{1: disc(15), 3: disc(45)}] + [{1: disc(15), 2: disc(30, 8, 4), 3: disc(45)}] * 5
    write_video(tmp_path / "gt/cat", late)
    write_video(tmp_path / "pred/cat", late)
    score, notes = notes_of("davis", tmp_path / "gt", tmp_path / "pred")
    assert len(score.objects) == 3
    assert not notes


def test_late_objects_and_void(tmp_path):
    frames = moving((1,))
    for number in (3, 4):
        frames[number] |= {2: disc(45, 10, 4), 255: disc(50, 30, 4)}
    write_video(tmp_path / "gt/cat", frames)
    write_video(tmp_path / "pred/cat", moving((1,)))
    score, notes = notes_of("davis", tmp_path / "gt", tmp_path / "pred")
    assert score.totals["J"] == 1
    assert "not scored" in notes
    assert "cat id 2 from 00003" in notes
    assert "255 (void) in the ground truth of cat: counted as background" in notes
    score, notes = notes_of("sav", tmp_path / "gt", tmp_path / "pred")
    assert {item.object_id for item in score.objects} == {1, 2, 255}
    assert "scored as an object of its own" in notes


def test_strings_and_names(tmp_path):
    write_davis(tmp_path, {"bear": (1,)}, {"pred": 1})
    assert evaluate("davis", str(tmp_path / "gt"), str(tmp_path / "pred")).objects
    with pytest.raises(EvalUsageError, match=r"'davos': expected one of lvos, .*mosev2, vost"):
        evaluate("davos", tmp_path / "gt", tmp_path / "pred")


@pytest.mark.parametrize("protocol", ["sav", "vost", "mosev2"])
def test_predicted_ids_that_do_not_count(protocol, tmp_path):
    write_video(tmp_path / "gt/cat", moving((1,)))
    write_video(tmp_path / "pred/cat", moving((255,)))
    score, notes = notes_of(protocol, tmp_path / "gt", tmp_path / "pred")
    assert score.totals["J"] < 0.01
    assert "do not count by the official rule: cat id 255" in notes
