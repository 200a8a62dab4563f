"""Prompts as the command line writes them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vos.errors import PromptError
from vos.io.write.mask_png import encode_label_png
from vos.prompts import (
    Box,
    MaskPrompt,
    Points,
    Polygon,
    Scribble,
    parse_box,
    parse_mask,
    parse_point,
    parse_polygon,
    parse_scribble,
)

LABELS = np.array([[0, 1, 1], [0, 7, 7]], dtype=np.uint8)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100,50,400,300", Box(1, (100, 50, 400, 300))),
        ("3:100,50,400.5,300@12", Box(3, (100, 50, 400.5, 300), 12)),
        (" 2: 1, .5 ,4e1,+3 @ 7", Box(2, (1, 0.5, 40, 3), 7)),
    ],
)
def test_boxes(text, expected):
    assert parse_box(text) == expected


def test_points_polygons_and_scribbles():
    assert parse_point("5,6") == Points(1, ((5, 6),), (1,))
    assert parse_point("2:5,6@3", positive=False) == Points(2, ((5, 6),), (0,), 3)
    assert parse_polygon("1,2,3,4,5,9@2") == Polygon(1, ((1, 2), (3, 4), (5, 9)), 2)
    assert parse_scribble("9:1,2,3,4") == Scribble(9, ((1, 2), (3, 4)), True)


@pytest.mark.parametrize(
    ("parse", "text", "says"),
    [
        (parse_box, "", "'' is not a number"),
        (parse_box, "1,2,3", "3 numbers"),
        (parse_box, "1,2,3,4,5", "5 numbers"),
        (parse_box, "1,2,x,4", "'x' is not a number"),
        (parse_box, "1,2,nan,4", "'nan' is not a number"),
        (parse_box, "1,2,1_0,4", "'1_0' is not a number"),
        (parse_box, "1,2,3e999,4", "not finite"),
        (parse_box, "a:1,2,3,4", "id 'a' is not a whole number"),
        (parse_box, "0:1,2,3,4", "object id 0"),
        (parse_box, "300:1,2,3,4", "object id 300"),
        (parse_box, "1:2:1,2,3,4", "out of place"),
        (parse_box, "1,2,3,4@1@2", "out of place"),
        (parse_box, "1,2,3,4@", "frame '' is not a whole number"),
        (parse_box, "1,2,3,4@1.5", "frame '1.5' is not a whole number"),
        (parse_box, "1,2,3,4@-1", "frame -1"),
        (parse_box, "9,2,3,4", "did you mean 9,2,12,6 .*, or 3,2,9,4"),
        (parse_point, "1,2,3,4", "repeat point"),
        (parse_polygon, "1,2,3,4,5", "odd count"),
        (parse_polygon, "1,2,3,4", "2 vertices"),
        (parse_scribble, "1,2,3", "odd count"),
        (parse_mask, "", "mask is empty"),
        (parse_mask, "nowhere.png", "no such file"),
    ],
)
def test_what_is_malformed_is_one_line_with_the_value(parse, text, says):
    with pytest.raises(PromptError, match=says) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["m.png", "col:on.png", "at@2x.png", "1000:m.png", "ü %d.png"])
def test_mask_files_of_any_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(encode_label_png(LABELS))
    assert parse_mask(f"1:{name}@4") == [MaskPrompt(1, LABELS == 1, 4)]
    assert parse_mask(f"7:{name}") == [MaskPrompt(7, LABELS == 7)]
    assert parse_mask(name) == [MaskPrompt(1, LABELS == 1), MaskPrompt(7, LABELS == 7)]
    assert parse_mask(f"{name}@9")[1] == MaskPrompt(7, LABELS == 7, 9)


def test_a_file_called_like_an_id_or_a_frame_needs_both(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "5:m@3").write_bytes(encode_label_png(LABELS))
    assert parse_mask("7:5:m@3@0") == [MaskPrompt(7, LABELS == 7)]
    with pytest.raises(PromptError, match="no such file"):
        parse_mask("5:m@3")


def test_an_id_the_file_lacks_takes_its_only_label_and_never_several(tmp_path):
    path = tmp_path / "m.png"
    path.write_bytes(encode_label_png(LABELS))
    present = ", ".join(str(value) for value in np.unique(LABELS[LABELS != 0]))
    with pytest.raises(PromptError, match=f"holds the labels {present} and no 3"):
        parse_mask(f"3:{path}")
    only = (LABELS != 0).astype(np.uint8) * 7
    path.write_bytes(encode_label_png(only))
    assert parse_mask(f"3:{path}") == [MaskPrompt(3, LABELS != 0)]


@pytest.mark.parametrize("mode", ["L", "1"])
def test_black_and_white_is_object_1(tmp_path, mode):
    path = tmp_path / "m.png"
    Image.fromarray((LABELS != 0).astype(np.uint8) * 255).convert(mode).save(path)
    assert parse_mask(str(path)) == [MaskPrompt(1, LABELS != 0)]
    assert parse_mask(f"2:{path}@1") == [MaskPrompt(2, LABELS != 0, 1)]


def test_files_that_are_no_label_masks(tmp_path):
    path = tmp_path / "m.png"
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(path)
    with pytest.raises(PromptError, match="all background"):
        parse_mask(f"1:{path}")
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(path)
    with pytest.raises(PromptError, match="threshold it"):
        parse_mask(f"1:{path}")
    Image.new("RGB", (4, 4), (255, 0, 0)).save(path)
    with pytest.raises(PromptError, match="RGB picture"):
        parse_mask(str(path))
    path.write_text("hello")
    with pytest.raises(PromptError, match="not a picture"):
        parse_mask(str(path))
    path.write_bytes(encode_label_png(np.full((64, 64), 3, np.uint8))[:70])
    with pytest.raises(PromptError, match="cannot be read"):
        parse_mask(str(path))
    with pytest.raises(PromptError, match="not a regular file"):
        parse_mask(str(tmp_path))
