"""Names of files and objects, spans, rates and timecodes of exports."""

from __future__ import annotations

from fractions import Fraction

import pytest

from vos.errors import InputError, UsageError
from vos.io.write.deliver.finished import usual_rate
from vos.io.write.deliver.names import clean_name, make_targets, name_objects, numbered
from vos.io.write.deliver.order import parse_span
from vos.io.write.deliver.registry import get_format
from vos.io.write.deliver.timecode import add_frames

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("dog", "dog"),
        ("Red car", "Red_car"),
        ("café/../x", "cafe_x"),
        ("狗", ""),
        ("a\nb\0c", "a_b_c"),
        ("..", ""),
    ],
)
def test_names_are_cleaned(name, cleaned):
    assert clean_name(name) == cleaned


def test_objects_get_names_that_begin_with_a_letter():
    assert name_objects([1, 2, 3], {1: "7up", 2: "狗"}) == {1: "obj_7up", 2: "obj2", 3: "obj3"}


def test_collisions_name_both_objects():
    with pytest.raises(UsageError, match=r"objects 1 .* and 3 .* both called 'Cat'"):
        name_objects([1, 2, 3], {1: "cat", 3: "Cat"})
    with pytest.raises(UsageError, match="both called"):
        name_objects([1, 2], {1: "obj2"})


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{clip}_{object}", "needs one %04d"),
        ("{clip}_{shot}.%04d", "unknown part {shot}"),
        ("{clip}_%s.%04d", "stand for nothing"),
        ("{clip.%04d", "stand for nothing"),
        ("%04d.%04d", "needs one %04d"),
        (".{id}.%04d", "hidden"),
    ],
)
def test_templates_that_are_refused(template, message):
    with pytest.raises(UsageError, match=message):
        make_targets(template, get_format("png-matte"), "clip", {1: "dog"})


@pytest.mark.parametrize("template", ["a/{object}.%04d", "", "x" * 250 + "%04d"])
def test_templates_that_are_no_file_names(template):
    with pytest.raises((InputError, UsageError)):
        make_targets(template, get_format("png-matte"), "clip", {1: "dog"})


def test_a_clip_with_braces_names_files():
    (target,) = make_targets("{clip}_{id}.%03d", get_format("png-matte"), "50{id}", {4: "dog"})
    assert numbered(target.stem, 7) == "50{id}_4.007"


def test_movies_have_no_numbers():
    with pytest.raises(UsageError, match="leave %04d out"):
        make_targets("{clip}.%04d", get_format("ffv1"), "clip", {1: "dog"})


@pytest.mark.parametrize("text", ["5", "9..3", "-1..3", "a..b", "1...2", "1..2..3"])
def test_spans_that_are_none(text):
    with pytest.raises(UsageError, match="span"):
        parse_span(text)
    assert parse_span("3..3") == (3, 3)


@pytest.mark.parametrize(
    ("start", "frames", "rate", "then"),
    [
        ("01:00:00:00", 24, Fraction(24), "01:00:01:00"),
        ("23:59:59:24", 1, Fraction(25), "00:00:00:00"),
        ("00:00:59;29", 1, NTSC, "00:01:00;02"),
        ("00:09:59;29", 1, NTSC, "00:10:00;00"),
        ("01:00:00;00", 17982, NTSC, "01:10:00;00"),
        ("00:00:59;59", 1, 2 * NTSC, "00:01:00;04"),
        ("00:01:59;29", 1, NTSC, "00:02:00;02"),
        ("00:00:59:29", 1, NTSC, "00:01:00:00"),
    ],
)
def test_timecodes_move_with_the_first_frame(start, frames, rate, then):
    assert add_frames(start, 0, rate) == start
    assert add_frames(start, frames, rate) == then


@pytest.mark.parametrize(
    ("timecode", "rate"), [("00:00:00:29", 25), ("00:00:00;00", 25), ("1:2:3", 24), ("x", 24)]
)
def test_timecodes_that_do_not_fit(timecode, rate):
    assert add_frames(timecode, 1, Fraction(rate)) is None


def test_measured_rates_become_the_usual_ones():
    assert usual_rate(Fraction(2997, 100), 100) == NTSC
    assert usual_rate(Fraction(23976, 1000), 500) == Fraction(24000, 1001)
    assert usual_rate(Fraction(29), 100) == 29
    assert usual_rate(Fraction(2997, 100), 10**8) == Fraction(2997, 100)
