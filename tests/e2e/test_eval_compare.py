"""`vos eval score` with several --pred, lists of videos, attributes, tables, and bad input."""

import io
import json
import shutil
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
from PIL import Image

from unit.eval.made_sets import disc, labels_of, save, write_davis
from vos_cli import main


def run(*arguments, code=0):
    """What the program prints on stdout and on stderr."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        returned = main.run(["eval", "score", *map(str, arguments)])
    assert returned == code, err.getvalue()
    assert "internal error" not in err.getvalue()
    return out.getvalue(), err.getvalue()


@pytest.fixture
def data(tmp_path):
    write_davis(tmp_path, {f"v{n}": (1, 2)[: 1 + n % 2] for n in range(4)}, {"far": 4, "near": 1})
    return tmp_path


def two(data, *more):
    return (
        "--protocol", "davis", "--gt", data / "gt", "--pred", data / "far", "--pred",
        f"best={data / 'near'}", "--jobs", 1, *more,
    )  # fmt: skip


def one(data, *more, pred="near"):
    return (
        "--protocol", "davis", "--gt", data / "gt", "--pred", data / pred, "--jobs", 1, *more
    )  # fmt: skip


def test_two_predictions(data):
    out, err = run(
        *two(
            data, "--csv", data / "o/s.csv", "--html", data / "o", "--frames-csv", data / "o/f.csv"
        )
    )
    rows = [line.split() for line in out.splitlines()]
    assert rows[0][:2] == ["prediction", "J&F"]
    assert rows[1][0] == "far"
    assert rows[2][:2] == ["95", "%"]
    assert rows[3][0] == "best"
    assert ["best", "-", "far"] in [row[:3] for row in rows]
    assert "J&F by attribute" in out
    assert "4 videos are few" in err
    assert sorted(path.name for path in (data / "o").iterdir()) == [
        "f.csv", "index.html", "s-best-global.csv", "s-best.csv", "s-far-global.csv", "s-far.csv",
    ]  # fmt: skip
    content = json.loads(run(*two(data, "--json", "--bootstrap", 0))[0])
    assert [p["name"] for p in content["predictions"]] == ["far", "best"]
    assert "intervals" not in content["predictions"][0]
    assert content["differences"] == []


def test_tables_of_papers(data):
    out, _ = run(*two(data, "--table", "latex"))
    assert out.startswith("\\begin{tabular}")
    out, _ = run(*one(data, "--table", "markdown"))
    assert out.startswith("| Method | J&F |")
    assert "| near | " in out


def test_one_prediction_with_intervals_and_attributes(data):
    (data / "a.csv").write_text("video,attribute\nv1,dark\nv9,dark\n")
    out, err = run(
        *one(
            data, "--bootstrap", 100, "--attributes", data / "a.csv", "--json", "--html", data / "h"
        )
    )
    content = json.loads(out)
    low, high = content["intervals"]["J"]
    assert low < content["global"]["J"] < high
    assert content["attributes"][0]["name"] == "dark"
    assert content["attributes"][0]["objects"] == 2
    assert "not scored: v9" in err
    assert "By attribute" in (data / "h/index.html").read_text()


def test_a_list_of_videos(data):
    (data / "list.txt").write_text("v1\nv3\n")
    content = json.loads(run(*one(data, "--videos", data / "list.txt", "--json"))[0])
    assert {o["video"] for o in content["objects"]} == {"v1", "v3"}
    (data / "list.txt").write_text("v1\nv33\n")
    assert "no such video: v33" in run(*one(data, "--videos", data / "list.txt"), code=3)[1]
    (data / "list.txt").write_text("\n\n")
    assert "is empty" in run(*one(data, "--videos", data / "list.txt"), code=3)[1]


def test_partial(data):
    shutil.rmtree(data / "near/v0")
    (data / "near/v3/00002.png").unlink()
    out, err = run(*one(data, "--json"), code=3)
    assert json.loads(out)["global"] is None
    out, err = run(*one(data, "--json", "--partial"))
    content = json.loads(out)
    assert {o["video"] for o in content["objects"]} == {"v1", "v2"}
    assert content["left_out"] == ["v0", "v3"]
    assert err.count("the video is left out") == 2
    run(*one(data, "--partial", "--missing", "empty"), code=2)


def test_usage(data):
    assert "are both called 'near'" in run(*one(data, "--pred", data / "x/near"), code=2)[1]
    run(*one(data, "--json", "--table", "latex"), code=2)
    run(*one(data, "--table", "word"), code=2)
    run(*one(data, "--bootstrap", -1), code=2)
    assert "a.csv" in run(*one(data, "--attributes", data / "a.csv"), code=3)[1]


def spoil_rgb(path):
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(path)


def spoil_size(path):
    save(path, np.zeros((20, 30), np.uint8))


def spoil_id(path):
    save(path, labels_of({1: disc(20), 3: disc(40)}))


def spoil_type(ending):
    def spoil(path):
        path.unlink()
        path.with_suffix(ending).write_bytes(b"x")

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_rgb, "is a RGB image"),
        (spoil_size, "is 30x20; the ground truth is 60x40"),
        (spoil_id, "has label 3; the video has objects 1-2"),
        (lambda path: path.unlink(), "v1: 1 frame is missing"),
        (spoil_type(".npy"), "there are .npy files; masks are PNG"),
        (spoil_type(".jpg"), "there are .jpg files; masks are PNG"),
    ],
)
def test_bad_masks_leave_nothing_behind(data, spoil, said):
    spoil(data / "near/v1/00002.png")
    outputs = ("--csv", data / "o/s.csv", "--html", data / "o", "--frames-csv", data / "o/f.csv")
    for arguments, name in ((one(data, *outputs), ""), (two(data, *outputs), "best: ")):
        out, err = run(*arguments, code=3)
        assert out == ""
        assert f"error: {name}v1: " in err
        assert said in err
        assert not (data / "o").exists()


def test_a_place_that_cannot_be_written(data):
    (data / "file").write_text("")
    for option in ("--csv", "--frames-csv", "--html"):
        out, err = run(*one(data, option, data / "file/x.csv"), code=3)
        assert out == ""
        assert "cannot be written" in err


def test_lvos_without_an_unseen_video_is_told_before_scoring(tmp_path):
    span = {"frame_range": {"start": 1, "end": 31, "frame_nums": 6}}
    videos = {name: {"objects": {"1": span}} for name in ("0tCWPOrc", "8lxxCA5h")}
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt/valid_meta.json").write_text(json.dumps({"videos": videos}))
    for video in videos:
        for number in range(1, 32, 5):
            for folder in ("gt/Annotations", "pred"):
                save(tmp_path / folder / video / f"{number:08d}.png", labels_of({1: disc(20)}))
    (tmp_path / "list.txt").write_text("0tCWPOrc\n")
    arguments = ("--protocol", "lvos", "--gt", tmp_path / "gt", "--pred", tmp_path / "pred")
    out, err = run(*arguments, "--videos", tmp_path / "list.txt", "--json")
    assert "no unseen video among the 1 that are scored, so Ju, Fu and J&F have no value" in err
    assert json.loads(out)["global"]["Js"] == 1
    assert json.loads(out)["global"]["J&F"] is None
    # Said before any pixel is read: a broken mask does not keep it back.
    (tmp_path / "pred/0tCWPOrc/00000011.png").write_bytes(b"")
    assert "no unseen video" in run(*arguments, "--videos", tmp_path / "list.txt", code=3)[1]
