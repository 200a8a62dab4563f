"""Which files of a folder are the frames, in which order, and what is said of the rest."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vos.errors import InputError
from vos.io.patterns import expand, is_pattern
from vos.io.read.formats import FOREIGN_SUFFIXES, VIDEO_SUFFIXES
from vos.io.read.images import ImageSource
from vos.io.read.open import open_source
from vos.io.results.fingerprint import fingerprint_input

STILL = Image.fromarray(np.zeros((6, 8, 3), np.uint8))


def make(folder: Path, names: Iterable[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if Path(name).suffix.lower() in (".jpg", ".png", ".tif", ".jpeg"):
            STILL.save(folder / name)
        else:
            (folder / name).write_bytes(b"not empty")
    return folder


def names_of(source: object) -> list[str]:
    assert isinstance(source, ImageSource)
    return list(source.info.names or ())


def test_a_plain_sequence_says_nothing(tmp_path: Path) -> None:
    source = open_source(make(tmp_path / "a", [f"f{i}.PNG" for i in (9, 10, 11)]))
    assert names_of(source) == ["f9", "f10", "f11"]
    assert (list(source.notices), source.warnings) == ([], [])


@settings(deadline=None, max_examples=25)
@given(
    st.integers(-12, -1),
    st.integers(0, 12),
    st.sampled_from(["shot.", "f", "", "take_", "a-b"]),
    st.integers(1, 4),
)
def test_negative_numbers_come_first(first, last, prefix, width) -> None:
    numbers = range(first, last + 1)
    with tempfile.TemporaryDirectory() as made:
        folder = make(Path(made) / "s", [f"{prefix}{n:0{width}d}.png" for n in numbers])
        source = open_source(folder)
        assert [int(name.removeprefix(prefix)) for name in names_of(source)] == list(numbers)
        assert "hyphens before numbers are signs" in source.notices[0]
        assert f"{prefix}{first:0{width}d}.png to {prefix}{last:0{width}d}.png" in source.notices[0]


def test_a_hyphen_that_separates_is_no_sign(tmp_path: Path) -> None:
    for number, prefix in enumerate(["clip-", "2024-01-", "a -"]):
        folder = make(tmp_path / str(number), [f"{prefix}{i:03d}.png" for i in (1, 2, 10)])
        source = open_source(folder)
        assert names_of(source) == [f"{prefix}{i:03d}" for i in (1, 2, 10)]
    lone = open_source(make(tmp_path / "lone", [f"shot.-00{i}.png" for i in (1, 2, 3)]))
    assert names_of(lone) == ["shot.-003", "shot.-002", "shot.-001"]
    assert "shot.-003.png to shot.-001.png" in lone.notices[0]


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    names = ["f1.png", "f2.png", "notes.txt", ".hidden", "Thumbs.db", "a.csv", "b.csv", "c.csv"]
    folder = make(tmp_path / "s", names)
    (folder / "sub").mkdir()
    (notice,) = open_source(folder).notices
    assert "2 images, f1.png to f2.png; left out: a.csv, b.csv, c.csv and 2 more" in notice
    (folder / "a.csv").unlink()
    (folder / "b.csv").unlink()
    assert "left out: c.csv, notes.txt, sub/" in open_source(folder).notices[0]


def suggestions(error: str) -> list[str]:
    """The quoted names in a message, as a shell reads them."""
    return [word for word in shlex.split(error.split("; ", 1)[1]) if "/" in word]


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(
        [
            ("{:03d}.jpg", "{:03d}_depth.png"),
            ("f{:03d}.jpg", "f{:03d}_depth.jpg"),
            ("f{:d}.png", "f{:d}_mask.png"),
            ("left_{:04d}.png", "right_{:04d}.png"),
            ("f{:02d}.png", "f{:02d}.jpg"),
            ("f{:02d}.png", "g{:02d}.tif"),
            ("rgb [1] {:d}.png", "depth [1] {:d}.png"),
        ]
    ),
    st.integers(2, 12),
    st.integers(0, 99),
)
def test_two_sequences_are_refused_and_each_suggestion_reads_one(forms, count, first) -> None:
    numbers = range(first, first + count)
    with tempfile.TemporaryDirectory() as made:
        folder = make(Path(made) / "s", [form.format(n) for form in forms for n in numbers])
        with pytest.raises(InputError, match="a sequence has one alone: give ") as caught:
            open_source(folder)
        found = [names_of(open_source(name)) for name in suggestions(str(caught.value))]
        expected = [[Path(form.format(n)).stem for n in numbers] for form in forms]
        assert sorted(found) == sorted(expected)


def test_formats_are_told_apart_where_names_do_not_count(tmp_path: Path) -> None:
    folder = make(tmp_path, ["dog.png", "cat.png", "a.tif"])
    with pytest.raises(InputError, match="images of 2 formats") as caught:
        open_source(folder)
    found = [names_of(open_source(name)) for name in suggestions(str(caught.value))]
    assert found == [["cat", "dog"], ["a"]]


def test_a_pattern_is_taken_as_it_is_and_says_how(tmp_path: Path) -> None:
    folder = make(tmp_path, ["f1.jpg", "f1_depth.png", "f2.jpg", "f2_depth.png"])
    source = open_source(str(folder / "f*"))
    assert names_of(source) == ["f1", "f1_depth", "f2", "f2_depth"]
    assert "4 images, f1.jpg to f2_depth.png; 2 name patterns" in source.notices[0]


def test_one_stray_picture_is_named(tmp_path: Path) -> None:
    source = open_source(make(tmp_path, ["f1.png", "f2.png", "poster.png"]))
    assert "poster.png is named otherwise than the rest" in source.notices[0]


@pytest.mark.parametrize("suffix", sorted(VIDEO_SUFFIXES))
def test_a_video_among_stills_is_refused(suffix: str, tmp_path: Path) -> None:
    folder = make(tmp_path / "s", [f"clip{suffix}", "clip_thumb.jpg"])
    with pytest.raises(InputError, match="lies beside 1 image; give") as caught:
        open_source(folder)
    assert suggestions(str(caught.value))[0].strip(",") == str(folder / f"clip{suffix}")


@pytest.mark.parametrize("suffix", sorted(FOREIGN_SUFFIXES))
def test_formats_that_are_not_read_are_named_with_a_command(suffix: str, tmp_path: Path) -> None:
    alone = make(tmp_path / "alone", [f"f1{suffix}", f"f2{suffix.upper()}"])
    for place in (alone, str(alone / "f*"), alone / f"f1{suffix}"):
        with pytest.raises(InputError, match=r"convert (them|it) to PNG: [a-z]+ "):
            open_source(place)
    mixed = make(tmp_path / "mixed", ["f1.jpg", f"f2{suffix}"])
    for place in (mixed, str(mixed / "f*")):
        with pytest.raises(InputError, match=r"mixed/\*\.jpg', or convert the others: [a-z]+ "):
            open_source(place)


def test_gaps_are_one_line_with_the_first(tmp_path: Path) -> None:
    for numbers, says in [
        ([1, 2, 3, 7, 8, 20, 21], ["number 3 is followed by 7, the first of 2 gaps"]),
        ([0, 10, 20, 30, 50], ["number 30 is followed by 50;"]),
        ([0, 10, 20, 30], []),
        ([3, 9], []),
        ([1000, 1033, 1071, 1099, 1144], []),  # times, not counts
        ([-3, -2, -1, 0, 1], []),
        ([-3, -2, 1, 2, 3], ["number -2 is followed by 1"]),
    ]:
        with tempfile.TemporaryDirectory(dir=tmp_path) as made:
            source = open_source(make(Path(made) / "s", [f"f{n}.png" for n in numbers]))
            assert len(source.warnings) == len(says)
            assert all(a in b for a, b in zip(says, source.warnings, strict=True))
    twice = open_source(make(tmp_path / "twice", ["f1.png", "f01.png", "f2.png"]))
    assert "f01.png and f1.png have the same number" in twice.warnings[0]


@pytest.mark.parametrize("text", ["f_%04d.png", "f_####.png", "f_%d.png", "f_#.png", "f_*.png"])
def test_number_patterns_are_read(text: str, tmp_path: Path) -> None:
    folder = make(tmp_path / "dir [1080p] #2", [f"f_{n:04d}.png" for n in (8, 9, 10, 11)])
    assert is_pattern(text)
    source = open_source(str(folder / text))
    assert names_of(source) == ["f_0008", "f_0009", "f_0010", "f_0011"]
    assert fingerprint_input(source.info.path).size_bytes > 0
    make(folder, ["f_0008_depth.png", "f_x.png"])
    if "*" not in text:
        assert names_of(open_source(str(folder / text))) == names_of(source)


def test_what_exists_is_itself_whatever_its_characters(tmp_path: Path) -> None:
    names = ["a[1].png", "a1.png", "b*.png", "c%04d.png", "d##.png"]
    folder = make(tmp_path / "x [y]", names)
    for name in names:
        assert names_of(open_source(str(folder / name))) == [Path(name).stem]
    assert {path.name for path in expand(folder / "a[1].png")} == {"a[1].png"}
    assert sorted(path.name for path in expand(tmp_path / "x [y]" / "[ab]*")) == [
        "a1.png",
        "a[1].png",
        "b*.png",
    ]


WIDTHS = st.sampled_from([8, 10, 12, 14, 16])


@settings(deadline=None, max_examples=25)
@given(WIDTHS, st.integers(2, 5), st.integers(0, 2**32))
def test_one_range_for_all_wide_greys(bits: int, count: int, seed: int) -> None:
    white = 2**bits - 1
    rng = np.random.default_rng(seed)
    greys = rng.integers(0, white // 3, (count, 6, 8))
    greys[count // 2, 0, 0] = white
    with tempfile.TemporaryDirectory() as made:
        for number, grey in enumerate(greys):
            Image.fromarray(grey.astype(np.uint16)).save(Path(made) / f"{number}.png")
        source = open_source(made)
        images = [frame.image[..., 0] for frame in source.frames()]
        assert np.array_equal(images, (greys * 255 + white // 2) // white)
        assert [f"is read as {bits}-bit" in line for line in source.notices] == [True] * (bits < 16)


def test_pages_of_wide_grey_have_one_range_too(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.full((6, 8), level, np.uint16)) for level in (1000, 4095, 2000)]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    source = open_source(tmp_path / "stack.tif")
    assert "is read as 12-bit: 4095 is white" in source.notices[0]
    assert [int(frame.image[0, 0, 0]) for frame in source.frames()] == [62, 255, 125]
    reversed_levels = [int(frame.image[0, 0, 0]) for frame in source.frames_reversed(2)]
    assert reversed_levels == [125, 255, 62]
