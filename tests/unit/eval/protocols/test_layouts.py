"""Which list and which folder is taken, and that it is said: official downloads, outputs of vos."""

import shutil

import pytest

from unit.eval.made_sets import disc, moving, write_davis, write_video
from vos_eval.errors import EvalError
from vos_eval.evaluate import evaluate
from vos_eval.protocols.base import Options
from vos_eval.protocols.plan import Missing


def readings(score):
    return "\n".join(score.plan.readings)


def write_2016_lists(root, videos):
    for resolution in ("480p", "1080p"):
        (root / f"ImageSets/{resolution}").mkdir(parents=True)
        lines = [
            f"/JPEGImages/{resolution}/{v}/00000.jpg /Annotations/{resolution}/{v}/00000.png"
            for v in videos
        ]
        (root / f"ImageSets/{resolution}/val.txt").write_text("\n".join(lines))


def test_davis_2016_as_downloaded(tmp_path):
    write_davis(tmp_path, {"bear": (255,), "cow": (255,), "other": (255,)}, {"pred": 1})
    shutil.rmtree(tmp_path / "gt/ImageSets")
    write_2016_lists(tmp_path / "gt", ("bear", "cow"))
    score = evaluate("davis", tmp_path / "gt", tmp_path / "pred")
    assert [item.video for item in score.objects] == ["bear", "cow"]
    assert "took the list 480p/val, not 1080p/val" in readings(score)
    chosen = evaluate("davis", tmp_path / "gt", tmp_path / "pred", Options(split="1080p/val"))
    assert chosen.totals == score.totals
    assert not chosen.plan.readings


def test_the_2016_list_of_the_2017_download_scores_one_object(tmp_path):
    write_davis(tmp_path, {"bear": (1, 2), "cow": (1,)}, {"pred": 1})
    (tmp_path / "gt/ImageSets/2016").mkdir()
    (tmp_path / "gt/ImageSets/2016/val.txt").write_text("bear\n")
    whole = evaluate("davis", tmp_path / "gt", tmp_path / "pred")
    assert "took the list 2017/val, not 2016/val" in readings(whole)
    assert len(whole.objects) == 3
    merged = evaluate("davis", tmp_path / "gt", tmp_path / "pred", Options(split="2016/val"))
    assert [item.object_id for item in merged.objects] == [1]
    assert "one object" in readings(merged)
    # The two discs hide what each gets wrong of the other: one union, one score.
    assert merged.totals["J"] == pytest.approx(whole.objects[0].j_mean, abs=0.02)


def test_two_unknown_lists_are_refused(tmp_path):
    write_davis(tmp_path, {"bear": (1,)}, {"pred": 1})
    (tmp_path / "gt/ImageSets/2017").rename(tmp_path / "gt/ImageSets/a")
    shutil.copytree(tmp_path / "gt/ImageSets/a", tmp_path / "gt/ImageSets/b")
    with pytest.raises(EvalError, match=r"a/val.txt, ImageSets/b/val.txt; choose with --split"):
        evaluate("davis", tmp_path / "gt", tmp_path / "pred")
    assert evaluate("davis", tmp_path / "gt", tmp_path / "pred", Options(split="b/val")).objects
    for split in ("c/val", "../ImageSets/a/val"):
        with pytest.raises(EvalError, match="no list"):
            evaluate("davis", tmp_path / "gt", tmp_path / "pred", Options(split=split))


@pytest.fixture
def sav(tmp_path):
    """`sav_val` as unpacked: 24 fps images, 6 fps masks per object, a list; and predictions."""
    root = tmp_path / "sav_val"
    for video in ("sav_1", "sav_2", "sav_extra"):
        (root / f"JPEGImages_24fps/{video}").mkdir(parents=True)
        write_video(root / f"Annotations_6fps/{video}/000", [{1: disc(20 + n)} for n in range(5)])
        write_video(root / f"Annotations_6fps/{video}/001", [{1: disc(30 + n)} for n in range(5)])
        write_video(tmp_path / f"pred/{video}/000", [{1: disc(21 + n)} for n in range(5)])
        write_video(tmp_path / f"pred/{video}/001", [{1: disc(31 + n)} for n in range(5)])
    (root / "sav_val.txt").write_text("sav_2\nsav_1\n")
    return root


def test_sav_finds_its_annotations_and_its_list(sav):
    score = evaluate("sav", sav, sav.parent / "pred")
    assert [(o.video, o.object_id) for o in score.objects] == [
        ("sav_1", 0), ("sav_1", 1), ("sav_2", 0), ("sav_2", 1),
    ]  # fmt: skip
    assert "took Annotations_6fps, the videos of sav_val.txt" in readings(score)
    whole = evaluate("sav", sav / "Annotations_6fps", sav.parent / "pred")
    assert len(whole.objects) == 6
    assert not whole.plan.readings
    (sav / "sav_test.txt").write_text("sav_1\n")
    with pytest.raises(EvalError, match="several lists"):
        evaluate("sav", sav, sav.parent / "pred")
    (sav / "sav_test.txt").unlink()
    (sav / "sav_val.txt").write_text("sav_1\nnowhere\n")
    with pytest.raises(EvalError, match="nowhere"):
        evaluate("sav", sav, sav.parent / "pred")


def test_the_rule_of_sav_on_a_davis_root(tmp_path):
    write_davis(tmp_path, {"bear": (7, 14)}, {"pred": 1})
    write_video(tmp_path / "gt/Annotations/480p/not_in_the_list", moving((1,)))
    score = evaluate("sav", tmp_path / "gt", tmp_path / "pred")
    assert [(o.video, o.object_id) for o in score.objects] == [("bear", 7), ("bear", 14)]
    assert "took Annotations/480p, the videos of ImageSets/2017/val.txt" in readings(score)


def test_sav_leaves_out_whole_videos(sav):
    shutil.rmtree(sav.parent / "pred/sav_2/001")
    options = Options(missing=Missing.SKIP)
    score = evaluate("sav", sav, sav.parent / "pred", options)
    assert {item.video for item in score.objects} == {"sav_1"}
    assert score.plan.left_out == {"sav_2"}
    assert any("sav_2 object 001" in note for note in score.notes)


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        ("{video}", None),
        ("{video}/masks", "results of vos track"),
        ("clips/{video}/masks", "the output of vos batch"),
        ("clips/{video}.mp4/masks", "the output of vos batch"),
        ("predictions/{video}", "the output of vos eval"),
    ],
)
def test_outputs_of_vos_are_scored_as_they_are(tmp_path, layout, said):
    videos = {"bear": (1, 2), "cow": (1,)}
    write_davis(tmp_path, videos, {"pred": 1})
    expected = evaluate("davis", tmp_path / "gt", tmp_path / "pred").totals
    for number, (video, ids) in enumerate(videos.items()):
        folder = tmp_path / "out" / layout.format(video=video)
        write_video(folder, moving(ids, (1 + number % 3) / 2))
    score = evaluate("davis", tmp_path / "gt", tmp_path / "out")
    assert score.totals == expected
    assert said is None or said in readings(score)
    assert len(score.plan.readings) == (said is not None)


def test_two_layouts_in_one_folder_are_told(tmp_path):
    write_davis(tmp_path, {"bear": (1,), "cow": (1,)}, {"pred": 1})
    write_video(tmp_path / "pred/clips/bear/masks", moving((1,), 9))
    score = evaluate("davis", tmp_path / "gt", tmp_path / "pred")
    assert score.totals["J"] > 0.5
    assert "took VIDEO/*.png, not clips/NAME/masks/*.png" in readings(score)


def test_one_result_belongs_to_one_video(tmp_path):
    write_davis(tmp_path, {"bear": (1,), "cow": (1,)}, {"pred": 1})
    write_video(tmp_path / "out/masks", moving((1,), 0.5))
    with pytest.raises(EvalError, match="the result of one clip, and there are 2 videos"):
        evaluate("davis", tmp_path / "gt", tmp_path / "out")
    only = Options(only_videos=frozenset({"bear"}))
    score = evaluate("davis", tmp_path / "gt", tmp_path / "out", only)
    assert [item.video for item in score.objects] == ["bear"]
    assert "one result, taken for bear" in readings(score)


def test_videos_that_are_not_there_are_named(tmp_path):
    write_davis(tmp_path, {"bear": (1,)}, {"pred": 1})
    only = Options(only_videos=frozenset({"bear", "bare"}))
    for protocol in ("davis", "sav", "mosev2", "vost"):
        gt = tmp_path / ("gt/Annotations/480p" if protocol == "sav" else "gt")
        with pytest.raises(EvalError, match="no such video: bare"):
            evaluate(protocol, gt, tmp_path / "pred", only)
