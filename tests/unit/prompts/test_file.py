"""The prompt file: there and back, diffable, strict."""

from __future__ import annotations

import json
import os
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vos.errors import OutputError, PromptError
from vos.io.write.mask_png import encode_label_png
from vos.prompts import (
    Box,
    MaskPrompt,
    Points,
    Polygon,
    Prompt,
    Scribble,
    load_prompts,
    prompts_text,
    save_prompts,
)
from vos.prompts.file import NamedPrompts, load_named_prompts

ids = st.integers(1, 255)
frames = st.integers(0, 10**7)
number = st.floats(allow_nan=False, allow_infinity=False)
xy = st.tuples(number, number)


def _valid(make):
    """Only the values that the prompt kinds accept."""

    def build(*values):
        try:
            return make(*values)
        except PromptError:
            return None

    return lambda *parts: st.builds(build, *parts).filter(lambda prompt: prompt is not None)


labelled = st.lists(st.tuples(xy, st.integers(0, 1)), min_size=1, max_size=6)
any_prompt = st.one_of(
    _valid(lambda i, a, b, f: Box(i, (*map(min, a, b), *map(max, a, b)), f))(ids, xy, xy, frames),
    st.builds(
        lambda i, p, f: Points(i, tuple(a for a, _ in p), tuple(b for _, b in p), f),
        ids, labelled, frames,
    ),
    _valid(lambda i, v, f: Polygon(i, tuple(v), f))(
        ids, st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=3), frames
    ),
    st.builds(
        lambda i, v, p, f: Scribble(i, tuple(v), p, f),
        ids, st.lists(xy, min_size=1, max_size=5), st.booleans(), frames,
    ),
    _valid(MaskPrompt)(
        ids, hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20)), frames
    ),
)  # fmt: skip


@given(prompts=st.lists(any_prompt, max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_saved_is_what_is_loaded(tmp_path, prompts):
    path = tmp_path / "prompts.json"
    save_prompts(path, prompts, size_hw=(60, 80))
    assert load_prompts(path) == prompts
    assert prompts_text(load_prompts(path), size_hw=(60, 80)) == path.read_text()


def test_a_pipe_is_read_once(tmp_path):
    box, pipe = Box(2, (1, 2, 3, 4)), tmp_path / "pipe"
    os.mkfifo(pipe)
    text = prompts_text([box], names={2: "dog"})
    threading.Thread(target=pipe.write_text, args=(text,), daemon=True).start()
    assert load_named_prompts(pipe) == NamedPrompts((box,), {2: "dog"})


def test_the_text_is_stable_and_one_line_per_prompt():
    prompts: list[Prompt] = [
        Box(1, (100, 50, 400.25, 300)),
        Points(2, ((1, 2), (3.5, 4)), (1, 0), 7),
        Polygon(3, ((0, 0), (4, 0), (4, 3))),
        Scribble(4, ((5, 5),), False),
    ]
    assert prompts_text(prompts, size_hw=(1080, 1920)) == (
        "{\n"
        '  "schema": 1,\n'
        '  "size_hw": [1080, 1920],\n'
        '  "prompts": [\n'
        '    {"type": "box", "object_id": 1, "frame_idx": 0, '
        '"box_xyxy_px": [100, 50, 400.25, 300]},\n'
        '    {"type": "points", "object_id": 2, "frame_idx": 7, '
        '"points_xy_px": [[1, 2], [3.5, 4]], "labels": [1, 0]},\n'
        '    {"type": "polygon", "object_id": 3, "frame_idx": 0, '
        '"vertices_xy_px": [[0, 0], [4, 0], [4, 3]]},\n'
        '    {"type": "scribble", "object_id": 4, "frame_idx": 0, '
        '"stroke_xy_px": [[5, 5]], "positive": false}\n'
        "  ]\n"
        "}\n"
    )
    assert json.loads(prompts_text([])) == {"schema": 1, "prompts": []}


def test_a_mask_file_is_found_beside_the_prompt_file(tmp_path, monkeypatch):
    labels = np.array([[0, 1, 1], [0, 7, 7]], dtype=np.uint8)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "m.png").write_bytes(encode_label_png(labels))
    path = tmp_path / "sub" / "p.json"
    path.write_text(
        '{"schema": 1, "prompts": [{"type": "mask", "object_id": 7, "file": "m.png"},'
        ' {"type": "mask", "object_id": 1, "frame_idx": 3, "file": "m.png"}]}'
    )
    monkeypatch.chdir(tmp_path)
    assert load_prompts("sub/p.json") == [
        MaskPrompt(7, labels == 7),
        MaskPrompt(1, labels == 1, 3),
    ]


def _file(prompts="[]", head='"schema": 1'):
    return f'{{{head}, "prompts": {prompts}}}'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON at line 1, column 2"),
        ("[]", "not a prompt file"),
        ('{"prompts": []}', '"schema" of the file is missing'),
        (_file(head='"schema": 2'), "schema 2 is unknown; .* reads schema 1"),
        (_file(head='"schema": true'), "schema True is unknown"),
        (_file(head='"schema": 1, "size": [1, 2]'), "'size' .* did you mean 'size_hw'"),
        (_file(head='"schema": 1, "size_hw": [1]'), "size_hw"),
        (_file("{}"), '"prompts" is not a list'),
        (_file("[3]"), "prompt 1: 3 is not an object"),
        (_file('[{"object_id": 1}]'), 'prompt 1: key "type" is missing'),
        (_file('[{"type": "boxes"}]'), "'boxes' is unknown; .* did you mean 'box'"),
        (_file('[{"type": ["box"]}]'), "unknown"),
        (
            _file('[{"type": "box", "object_id": 1, "box_xyxy": [1,2,3,4]}]'),
            "'box_xyxy' of a box .* did you mean 'box_xyxy_px'",
        ),
        (_file('[{"type": "box", "box_xyxy_px": [1,2,3,4]}]'), '"object_id" of a box is missing'),
        (_file('[{"type": "box", "object_id": 1, "box_xyxy_px": [1,2,3,NaN]}]'), "NaN"),
        (_file('[{"type": "box", "object_id": 1, "box_xyxy_px": [1,2,3,1e999]}]'), "not finite"),
        (_file('[{"type": "box", "object_id": 1, "box_xyxy_px": [1,2,3,"4"]}]'), "not a number"),
        (_file('[{"type": "box", "object_id": 1, "box_xyxy_px": "1234"}]'), "not a list"),
        (_file('[{"type": "box", "object_id": "1", "box_xyxy_px": [1,2,3,4]}]'), "object id '1'"),
        (_file('[{"type": "box", "object_id": 1, "object_id": 2}]'), "twice"),
        (_file('[{"type": "mask", "object_id": 1}]'), "one of"),
        (_file('[{"type": "mask", "object_id": 1, "png_base64": "!"}]'), "no PNG"),
        (_file('[{"type": "mask", "object_id": 1, "png_base64": "aGVsbG8="}]'), "no PNG"),
        (_file('[{"type": "mask", "object_id": 1, "file": "gone.png"}]'), "no such file"),
        (_file("[" * 100_000), "prompt|nested|JSON"),
        (_file('[{"type": "box", "object_id": ' + "9" * 9000 + "}]"), "too long"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_that_names_the_file(tmp_path, text, says):
    path = tmp_path / "p.json"
    path.write_text(text)
    with pytest.raises(PromptError, match=says) as caught:
        load_prompts(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_file_of_another_frame_size_is_refused_where_the_size_is_known(tmp_path):
    path = tmp_path / "p.json"
    save_prompts(path, [Box(1, (1, 2, 3, 4))], size_hw=(60, 80))
    assert load_prompts(path, size_hw=(60, 80))
    with pytest.raises(PromptError, match="drawn on a 80x60 frame, the video has 640x480"):
        load_prompts(path, size_hw=(480, 640))


def test_unreadable_and_unwritable_files(tmp_path):
    with pytest.raises(PromptError, match="no such file"):
        load_prompts(tmp_path / "gone.json")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PromptError, match="cannot be read as text"):
        load_prompts(tmp_path / "b.json")
    with pytest.raises(OutputError, match="a file is in the way"):
        save_prompts(tmp_path / "b.json" / "p.json", [])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.json"]
