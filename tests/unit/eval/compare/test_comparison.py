"""Several predictions on the same videos, each note said once, and nothing half written."""

import csv
import json
import shutil

import pytest

from unit.eval.made_sets import write_davis
from vos_eval.compare.attributes import read_attributes
from vos_eval.compare.comparison import compare
from vos_eval.compare.names import name_predictions
from vos_eval.errors import EvalError, EvalUsageError
from vos_eval.evaluate import evaluate
from vos_eval.protocols.base import Options
from vos_eval.protocols.plan import Missing
from vos_eval.report.compare_html import write_comparison
from vos_eval.report.export import comparison_json
from vos_eval.report.frame_table import write_frames
from vos_eval.report.paper_tables import TableForm, paper_tables

HOSTILE = "<b>&_%"


@pytest.fixture
def data(tmp_path):
    write_davis(tmp_path, {f"v{n}": (1, 2)[: 1 + n % 2] for n in range(12)}, {"far": 4, "near": 1})
    return tmp_path


def folders(data, **more):
    return {"far": data / "far", "near": data / "near"} | more


def test_scores_are_those_of_each_alone(data):
    found = compare("davis", data / "gt", folders(data), resamples=50)
    for name, score in found.scores.items():
        assert score.totals == evaluate("davis", data / "gt", data / name).totals
    difference = found.differences["near"]["J"]
    assert difference.value == found.scores["near"].totals["J"] - found.scores["far"].totals["J"]
    assert difference.interval.low <= difference.value <= difference.interval.high
    assert difference.interval.excludes_zero()
    assert list(found.intervals) == ["far", "near"]
    rows = {row.name: row for row in found.attributes}
    assert rows["one object"].objects == 6
    alone = [item for item in found.first.objects if int(item.video[1:]) % 2 == 0]
    expected = sum(item.j_mean for item in alone) / len(alone)
    assert rows["one object"].numbers["far"]["J"] == pytest.approx(expected, abs=1e-15)


def test_attributes_of_a_file_come_first_and_replace_those_of_the_masks(data):
    (data / "a.json").write_text(json.dumps({"v1": ["one object", "dark\nred"]}))
    found = compare(
        "davis", data / "gt", {"far": data / "far"}, resamples=0,
        attributes=read_attributes(data / "a.json"),
    )  # fmt: skip
    counts = [(row.name, row.objects) for row in found.attributes]
    assert counts[:2] == [("one object", 2), ("dark red", 2)]
    assert [name for name, _ in counts].count("one object") == 1
    assert ("several objects", 12) in counts


def test_only_videos_that_all_have(data):
    shutil.rmtree(data / "far/v3")
    (data / "near/v7/00002.png").unlink()
    with pytest.raises(EvalError) as caught:
        compare("davis", data / "gt", folders(data), resamples=0)
    assert [text[:8] for text in caught.value.problems] == ["far: v3:", "near: v7"]
    notes = []
    found = compare(
        "davis", data / "gt", folders(data), Options(missing=Missing.SKIP), resamples=0,
        on_note=notes.append,
    )  # fmt: skip
    assert list(found.left_out) == ["v3", "v7"]
    for score in found.scores.values():
        assert {item.video for item in score.objects} == {f"v{n}" for n in range(12)} - {"v3", "v7"}
    assert list(found.notes) == notes
    assert len(notes) == 2
    assert "v3" in notes[0]
    assert notes[0].startswith("far: ")
    assert notes[1].startswith("near: v7: 1 frame is missing")


def test_what_is_wrong_in_all_is_said_once(data):
    (data / "gt/Annotations/480p/v4/00000.png").write_bytes(b"")
    (data / "near/v5/00003.png").write_bytes(b"")
    (data / "far/v5/00003.png").write_bytes(b"")
    with pytest.raises(EvalError) as caught:
        compare("davis", data / "gt", folders(data), resamples=0)
    texts = caught.value.problems
    assert sum("v4: ground truth" in text for text in texts) == 1
    assert [text[:9] for text in texts if "v5" in text] == ["far: v5: ", "near: v5:"]


def test_nothing_left(data):
    shutil.rmtree(data / "far")
    (data / "far").mkdir()
    with pytest.raises(EvalError, match="no video has all its predictions"):
        compare("davis", data / "gt", folders(data), Options(missing=Missing.SKIP))


def test_few_videos_are_said(data):
    options = Options(only_videos=frozenset({"v1", "v2"}))
    found = compare("davis", data / "gt", folders(data), options, resamples=20)
    assert any("2 videos are few" in note for note in found.notes)
    one = Options(only_videos=frozenset({"v1"}))
    assert not compare("davis", data / "gt", folders(data), one, resamples=20).intervals


def test_json(data):
    found = compare("davis", data / "gt", folders(data), resamples=20)
    content = json.loads(json.dumps(comparison_json(found), allow_nan=False))
    assert list(content) == [
        "schema", "protocol", "predictions", "differences", "attributes", "left_out", "readings",
        "problems",
    ]  # fmt: skip
    assert [one["name"] for one in content["predictions"]] == ["far", "near"]
    assert list(content["predictions"][0]) == ["name", "global", "objects", "intervals"]
    (difference,) = content["differences"]
    assert (difference["of"], difference["minus"]) == ("near", "far")
    low, high = difference["global"]["J&F"]["interval"]
    assert low <= difference["global"]["J&F"]["value"] <= high
    assert content["attributes"][0]["means"].keys() == {"far", "near"}


def test_page(data):
    (data / "a.csv").write_text(f"video,attribute\nv1,{HOSTILE}\n")
    places = folders(data, **{HOSTILE: data / "near"})
    found = compare(
        "davis", data / "gt", places, resamples=20, attributes=read_attributes(data / "a.csv")
    )
    page = write_comparison(found, data / "gt", places, data / "html").read_text()
    assert HOSTILE not in page
    assert page.count("<svg") == 2 * 18  # J and F of each object
    assert page.count('class="c2"') == 2 * 18
    assert "&lt;b&gt;&amp;_% − far" in page
    assert "By attribute" in page
    order = [page.index(f"<h4>v{n} ") for n in (2, 0)]  # 2 differs most: its masks are furthest off
    assert order == sorted(order)
    assert "http" not in page.replace("http://www.w3.org", "")


def test_every_frame(data):
    found = compare("davis", data / "gt", folders(data), resamples=0)
    write_frames(found.scores, data / "new/frames.csv")
    rows = list(csv.DictReader((data / "new/frames.csv").read_text().splitlines()))
    assert len(rows) == 2 * 18 * 4
    item = found.scores["near"].objects[1]
    mine = [
        (r["frame"], float(r["J"]), float(r["F"]))
        for r in rows
        if (r["prediction"], r["video"], r["object"]) == ("near", item.video, str(item.object_id))
    ]
    assert mine == list(zip(item.frames, item.j, item.f, strict=True))
    (data / "file").write_text("")
    with pytest.raises(EvalError, match="cannot be written"):
        write_frames(found.scores, data / "file/frames.csv")


def test_paper_tables(data):
    found = compare("davis", data / "gt", folders(data, **{HOSTILE: data / "near"}), resamples=20)
    latex, markdown = (paper_tables(found, form) for form in TableForm)
    lines = latex.splitlines()
    assert lines[0] == r"\begin{tabular}{lccccccc}"
    assert r"\textless{}b\textgreater{}\&\_\% & \textbf{" in latex
    best = f"{100 * found.scores['near'].totals['J']:.1f}"
    assert latex.count(rf"\textbf{{{best}}}") >= 2  # both that are equal
    assert r"{\scriptsize [" in latex
    rows = markdown.split("\n\n")[0].splitlines()
    assert rows[0].startswith("| Method | J&F | J |")
    assert {row.count("|") for row in rows} == {9}
    assert f"**{best}**" in rows[3]
    low = min(found.scores["far"].totals["JD"], found.scores["near"].totals["JD"])
    assert f"**{100 * low:.1f}**" in markdown  # decay: lower is better


def test_names():
    assert list(name_predictions(["a/run1/predictions", "b/run2", "best=c/d"])) == [
        "run1", "run2", "best",
    ]  # fmt: skip
    for texts, said in (
        (["a/x", "b/x"], "are both called 'x'"),
        (["x=a", "x=b"], "are both called 'x'"),
        (["a/b=c"], "is no name"),
    ):
        with pytest.raises(EvalUsageError, match=said):
            name_predictions(texts)


def test_a_folder_with_an_equals_sign(tmp_path):
    (tmp_path / "lr=1").mkdir()
    assert name_predictions([str(tmp_path / "lr=1")]) == {"lr=1": tmp_path / "lr=1"}
