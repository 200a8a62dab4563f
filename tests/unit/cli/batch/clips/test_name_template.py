"""Names of the user's own making: what a template may say, and what it may not do."""

from __future__ import annotations

from pathlib import Path

import pytest

from vos.errors import UsageError
from vos_cli.batch.clips.clip import make_clips
from vos_cli.batch.clips.name_template import check_template
from vos_cli.batch.clips.rows import Row
from vos_cli.options.track import TrackFlags


def names(template: str, *sources: str) -> list[str]:
    rows = [Row(Path(one).name, one) for one in sources]
    return [clip.name for clip in make_clips(rows, TrackFlags(), None, check_template(template))]


def test_names_are_made_of_the_parts_of_a_path():
    assert names("{parent}_{stem}", "/in/day1/a.mp4", "/in/day2/a.mp4") == ["day1_a", "day2_a"]
    assert names("x-{name}.{suffix}", "/in/a.b.mov") == ["x-a.b.mov.mov"]


def test_a_row_keeps_the_name_it_gives():
    rows = [Row("1", "/in/a.mp4", "mine"), Row("2", "/in/b.mp4")]
    clips = make_clips(rows, TrackFlags(), None, "{stem}")
    assert [clip.name for clip in clips] == ["mine", "b"]


@pytest.mark.parametrize("source", ["/in/../.mp4", "/in/a\nb.mp4", "/in/..", "/in/" + "é" * 120])
def test_no_name_leaves_the_output(source: str):
    (name,) = names("{stem}", source)
    assert name == Path(name).name
    assert name.isprintable()
    assert not name.startswith(".")
    assert len(name.encode()) < 150


@pytest.mark.parametrize("sources", [("/a/x.mp4", "/b/x.mov"), ("/a/x.mp4", "/a/X.mov")])
def test_a_name_that_two_clips_would_have_is_refused(sources: tuple[str, str]):
    with pytest.raises(UsageError, match="would both be"):
        names("{stem}", *sources)


def test_in_a_growing_folder_the_later_clip_is_refused_alone():
    rows = [Row("a/x.mp4", "/in/a/x.mp4"), Row("b/x.mp4", "/in/b/x.mp4")]
    first, second = make_clips(rows, TrackFlags(), None, "{stem}", is_growing=True)
    assert (first.name, first.problem) == ("x", None)
    assert second.name != "x"
    assert second.problem


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{stm}", "did you mean 'stem'"),
        ("{stem", "correct the braces"),
        ("same", "the same name"),
        ("{parent}/{stem}", "without slashes"),
        ("{stem.__class__}", "not one of"),
        ("{stem!r}", "as they are"),
        ("{stem:>99999999}", "as they are"),
        ("{}", "not one of"),
    ],
)
def test_wrong_templates(template: str, words: str):
    with pytest.raises(UsageError, match=words):
        check_template(template)
