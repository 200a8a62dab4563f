"""`--box` with and without a value, in every position."""

from __future__ import annotations

from pathlib import Path

import pytest

from vos_cli.options.bare import BARE, mark_bare, take_bare

CASES = {
    "alone": (["v.mp4", "--box"], ["v.mp4", "--box", BARE]),
    "first": (["--box", "v.mp4"], ["--box", BARE, "v.mp4"]),
    "before an option": (["v.mp4", "--box", "-o", "out"], ["v.mp4", "--box", BARE, "-o", "out"]),
    "before a long one": (["--box", "--json", "v"], ["--box", BARE, "--json", "v"]),
    "a value": (["v", "--box", "1,2,3,4"], ["v", "--box", "1,2,3,4"]),
    "id and frame": (["v", "--box", "2:1,2,3,4@9"], ["v", "--box", "2:1,2,3,4@9"]),
    "joined": (["v", "--box=1,2,3,4"], ["v", "--box=1,2,3,4"]),
    "negative": (["v", "--box", "-1,2,3,4"], ["v", "--box", "-1,2,3,4"]),
    "wrong value": (["v", "--box", "a,b"], ["v", "--box", "a,b"]),
    "one number": (["v", "--box", "12"], ["v", "--box", "12"]),
    "empty variable": (["v", "--box", ""], ["v", "--box", ""]),
    "empty joined": (["v", "--box="], ["v", "--box="]),
    "twice": (["--box", "--box", "v"], ["--box", BARE, "--box", BARE, "v"]),
    "mixed": (
        ["v", "--box", "1,2,3,4", "--point", "--box", "5,6,7,8"],
        ["v", "--box", "1,2,3,4", "--point", BARE, "--box", "5,6,7,8"],
    ),
    "others": (
        ["v", "--polygon", "--scribble", "-q"],
        ["v", "--polygon", BARE, "--scribble", BARE, "-q"],
    ),
    "not optional": (["v", "--neg-point", "--mask"], ["v", "--neg-point", "--mask"]),
    "after the end": (["v", "--", "--box"], ["v", "--", "--box"]),
}


@pytest.mark.parametrize("name", CASES)
def test_every_position(name: str):
    words, marked = CASES[name]
    assert mark_bare(words) == marked


def test_a_file_is_never_a_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name in ("1,2,3,4", "100"):
        assert mark_bare(["--box", name]) == ["--box", name]
        (tmp_path / name).touch()
        assert mark_bare(["--box", name]) == ["--box", BARE, name]


def test_what_is_left_and_the_tool():
    values = {"box": ["1,2,3,4"], "point": [BARE, "5,6"], "polygon": [BARE]}
    kept, tool = take_bare(values)
    assert kept == {"box": ("1,2,3,4",), "point": ("5,6",), "polygon": ()}
    assert tool == "point"
    assert take_bare({"box": ["1,2,3,4"]})[1] is None
