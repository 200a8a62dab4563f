"""What may be a name, and what is a pattern."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vos.errors import InputError
from vos.io.paths import check_name
from vos.io.patterns import expand, is_pattern
from vos_cli.job.job import default_output

CLIP = "First clip [dQw4w9WgXcQ].mp4"
ODD = st.text("ab[]*?!-. ", min_size=1, max_size=8).filter(lambda name: name.strip(". "))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(ODD, ODD)
def test_what_exists_is_a_path_whatever_its_characters(tmp_path_factory, folder, name):
    place = tmp_path_factory.mktemp("odd") / folder
    place.mkdir()
    file = place / f"{name}.png"
    file.write_text("")
    assume(name != "*")  # then `*.png` is that file
    for path in (file, place):
        assert not is_pattern(path)
        assert default_output(str(path)) == path.with_name(f"{path.name}-vos")
    assert default_output(str(place / "*.png")) == place.with_name(f"{folder}-vos")
    assert is_pattern(place / "*.png")
    hidden = name.startswith(".")
    assert expand(place / "*.png") == ([] if hidden else [file])
    assert not is_pattern(place / "missing.png"), "only its folder looks like a pattern"


def test_two_clips_of_a_folder_have_two_outputs(tmp_path, monkeypatch):
    names = [CLIP, "Second clip [aaaaaaaaaaa].mp4", "third*.mp4", "what?.mp4"]
    for name in names:
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)
    for place in (tmp_path, Path()):
        outputs = [default_output(str(place / name)) for name in names]
        assert [output.name for output in outputs] == [f"{name}-vos" for name in names]
    for pattern in ("*.jpg", "f_%04d.jpg", "f_####.jpg"):
        assert default_output(pattern) == tmp_path.with_name(f"{tmp_path.name}-vos")


@pytest.mark.parametrize("name", ["a", "a b", "..a", "ä" * 100, "x" * 255, "-o", "a.b.c"])
def test_names_that_are_one_file(name):
    assert check_name(name, "video") == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "/a", "../a", "a\\b", "a\0", "x" * 256, "ä" * 128, 3, None]
)
def test_names_that_are_not(name):
    with pytest.raises(InputError, match=r"^video name .*: rename it$"):
        check_name(name, "video")


def test_room_for_endings_is_kept():
    with pytest.raises(InputError, match="over 251 bytes"):
        check_name("x" * 252, "video", spare_bytes=4)
