"""Where objects are said not to be: on the command line, in files, and against other prompts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vos.errors import PromptError
from vos.prompts import (
    Absent,
    Box,
    Points,
    Prompt,
    Scribble,
    check_frame_range,
    collect,
    load_prompts,
    parse_absent,
    save_prompts,
)
from vos.prompts.absence import Absences, merge_absences, shows

BOX = (10.0, 8.0, 40.0, 36.0)
SIZE = (48, 64)
LAST = 30


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2@100", Absent(2, 100)),
        ("2@100..100", Absent(2, 100)),
        ("2@100..200", Absent(2, 100, 200)),
        (" 12@0.. ", Absent(12, 0, "end")),
    ],
)
def test_the_command_line_and_the_file_say_the_same(text: str, expected: Absent, tmp_path: Path):
    assert parse_absent(text) == expected
    save_prompts(tmp_path / "prompts.json", [Box(2, BOX), expected])
    assert load_prompts(tmp_path / "prompts.json") == [Box(2, BOX), expected]


@pytest.mark.parametrize("text", ["", "2", "@3", "2@", "2:3", "2@3.5", "2@-1", "2@5...7", "2@5..x"])
def test_what_is_no_absence_is_refused_with_its_form(text: str):
    with pytest.raises(PromptError, match=r"ID@FRAME\[\.\.FRAME\]"):
        parse_absent(text)


@pytest.mark.parametrize("last", [4.5, "forever", None, True, [7]])
def test_a_file_with_another_last_frame_is_refused(last: object, tmp_path: Path):
    absent = {"type": "absent", "object_id": 1, "frame_idx": 3, "last_idx": last}
    (tmp_path / "p.json").write_text(json.dumps({"schema": 1, "prompts": [absent]}))
    with pytest.raises(PromptError, match="last_idx"):
        load_prompts(tmp_path / "p.json")


def test_an_absence_that_ends_before_it_begins_or_past_the_clip_is_refused():
    with pytest.raises(PromptError, match="did you mean 5 to 9"):
        Absent(1, 9, 5)
    for absent in (Absent(1, 10), Absent(1, 3, 10)):
        with pytest.raises(PromptError, match="0 to 9"):
            check_frame_range([absent], 10)
    check_frame_range([Absent(1, 3, 9), Absent(1, 9, "end")], 10)


def test_an_object_is_not_shown_where_it_is_absent():
    for absent, frame in ((Absent(1, 3), 3), (Absent(1, 3, 8), 5), (Absent(1, 3, "end"), 3)):
        with pytest.raises(PromptError, match=f"frame {frame}"):
            collect([Box(1, BOX), absent, Points(1, ((9.0, 9.0),), (0,), frame)], SIZE)
    prompts = [Box(1, BOX), Absent(1, 3, "end"), Box(1, BOX, 5), Box(2, BOX, 3)]
    joined = collect(prompts, SIZE)
    assert joined[3][1].is_absent
    assert joined[3][1].mask is not None
    assert not joined[3][1].mask.any()
    assert not joined[3][2].is_absent


def test_only_what_shows_an_object_says_where_it_is():
    assert shows(Box(1, BOX))
    assert shows(Points(1, ((1.0, 1.0), (2.0, 2.0)), (0, 1)))
    for prompt in (
        Points(1, ((1.0, 1.0),), (0,)),
        Scribble(1, ((1.0, 1.0),), positive=False),
        Absent(1),
    ):
        assert not shows(prompt)


frames = st.integers(0, LAST)
boxes = st.builds(lambda who, idx: Box(who, BOX, idx), st.integers(1, 2), frames)
absences = st.builds(
    lambda who, one, other, kind: Absent(who, min(one, other), kind or max(one, other)),
    st.integers(1, 2),
    frames,
    frames,
    st.sampled_from([None, "end"]),
)


def valid(prompts: Sequence[Prompt]) -> bool:
    try:
        Absences.of(prompts)
    except PromptError:
        return False
    return True


some = st.lists(boxes | absences, max_size=4).filter(valid)


@given(some, some)
def test_old_and_new_prompts_never_contradict_each_other(old: list[Prompt], new: list[Prompt]):
    kept = merge_absences(old, new)
    absences = Absences.of([*kept, *new])
    only_new = Absences.of(new)
    for prompt in new:
        if not isinstance(prompt, Absent):
            assert not absences.hold(prompt.object_id, prompt.frame_idx)
        elif isinstance(prompt.last_idx, int):
            where = range(prompt.frame_idx, prompt.last_idx + 1)
            assert all(absences.hold(prompt.object_id, idx) for idx in where)
    for prompt in old:
        is_said = only_new.hold(prompt.object_id, prompt.frame_idx)
        assert prompt in kept or is_said or isinstance(prompt, Absent)
