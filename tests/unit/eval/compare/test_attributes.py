"""Attributes from files in each documented shape, and those that masks show by themselves."""

import json

import numpy as np
import pytest

from unit.eval.made_sets import disc, write_video
from vos_eval.compare.attributes import derive_attributes, read_attributes
from vos_eval.errors import EvalError
from vos_eval.evaluate import evaluate

SAME = {
    "list.csv": "video,attribute\nbear,fast\nbear,dark\ncow,fast\n",
    "columns.csv": "video,fast,dark\nbear,1,1\ncow,1,0\nowl,0,\n",
    "videos.json": json.dumps({"bear": ["fast", "dark"], "cow": ["fast"]}),
}


@pytest.fixture
def objects(tmp_path):
    frames = [
        {1: disc(20)} | ({2: disc(45, radius=1.2)} if n not in (3, 4) else {}) for n in range(8)
    ]
    for side in ("gt", "pred"):
        write_video(tmp_path / side / "bear", frames)
        write_video(tmp_path / side / "cow", [{1: disc(30, radius=16)}] * 8)
    return evaluate("sav", tmp_path / "gt", tmp_path / "pred").objects


def table(attributes, objects):
    return {
        name: [(o.video, o.object_id) for o in objects if attributes.has(o, name)]
        for name in attributes.names
    }


@pytest.mark.parametrize("name", SAME)
def test_the_shapes_of_files(name, tmp_path, objects):
    (tmp_path / name).write_text(SAME[name])
    attributes = read_attributes(tmp_path / name)
    assert table(attributes, objects) == {
        "fast": [("bear", 1), ("bear", 2), ("cow", 1)],
        "dark": [("bear", 1), ("bear", 2)],
    }
    assert attributes.unknown_videos(objects) == []


def test_attributes_of_single_objects(tmp_path, objects):
    (tmp_path / "a.csv").write_text("video,object,attribute\nbear,2,tiny\nzebra,1,tiny\n")
    (tmp_path / "a.json").write_text(json.dumps({"bear": {"002": ["tiny"]}, "zebra": ["tiny"]}))
    for name in ("a.csv", "a.json"):
        attributes = read_attributes(tmp_path / name)
        assert table(attributes, objects) == {"tiny": [("bear", 2)]}
        assert attributes.unknown_videos(objects) == ["zebra"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "", "expected a header"),
        ("a.csv", "bear,fast\ncow,dark\n", "expected a header"),
        ("a.csv", "video,fast\nbear,maybe\n", "line 2, fast: 'maybe'"),
        ("a.csv", "video,fast\n\nbear\n", "line 3 has 1 cells"),
        ("a.csv", f"video,fast\nbear,{'1' * 200_000}\n", "line 2: not readable as CSV"),
        ("a.csv", "video,object,attribute\nbear,x,fast\n", "'x' is not an id"),
        ("a.csv", "video,fast\nbear,0\n", "no attribute"),
        ("a.json", "[]", "expected"),
        ("a.json", '{"bear": "fast"}', "list of names"),
        ("a.json", "{", "JSON"),
    ],
)
def test_bad_files(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(EvalError, match=said) as caught:
        read_attributes(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_what_masks_show(objects):
    found = table(derive_attributes(objects), objects)
    assert found == {
        "small": [("bear", 2)],
        "medium": [("bear", 1)],
        "large": [("cow", 1)],
        "one object": [("cow", 1)],
        "several objects": [("bear", 1), ("bear", 2)],
        "always there": [("bear", 1), ("cow", 1)],
        "disappears": [("bear", 2)],
        "returns": [("bear", 2)],
    }
    assert objects[0].gt_share == pytest.approx(np.full(6, disc(20).mean()))
