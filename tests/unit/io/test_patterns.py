"""What exists is never a pattern, whatever its characters."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from vos.io.patterns import expand, is_pattern

NAMES = st.text("ab0d%#[]!*?(){}- .", min_size=1, max_size=16).filter(lambda name: name.strip("."))


@given(st.lists(NAMES, min_size=1, max_size=5, unique=True), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_path_that_exists_is_itself(names: list[str], are_inside: bool) -> None:
    with TemporaryDirectory() as place:
        folder = Path(place).resolve() / (names[0] if are_inside else "clips")
        folder.mkdir()
        paths = [folder / name for name in names]
        for path in paths:
            path.touch()
        for path in paths:
            assert not is_pattern(path)
            assert expand(path) == [path]


@given(st.lists(st.integers(0, 99_999), min_size=1, max_size=8, unique=True))
@settings(max_examples=30, deadline=None)
def test_a_printf_pattern_finds_its_numbers_alone(numbers: list[int]) -> None:
    with TemporaryDirectory() as place:
        folder = Path(place).resolve()
        wanted = {folder / f"f_{number:05d}.png" for number in numbers}
        for path in (*wanted, folder / "f_.png", folder / "g_00001.png", folder / "f_00001.jpg"):
            path.touch()
        assert set(expand(folder / "f_%05d.png")) == wanted
