"""`vos fix` takes an object away where somebody says that it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e import clips
from e2e.results import (
    BOX,
    FRAMES,
    OTHER,
    check_stats_fit_masks,
    contents,
    make,
    rows_of,
    small_tracker,
    without,
)
from small_nano import small_nano
from vos.api import Tracker
from vos.errors import PromptError
from vos.io.write.mask_png import read_label_png
from vos.prompts import Absent, Box, Points, load_prompts
from vos_cli.fix.edit import fix, plan, undo
from vos_cli.fix.result import open_result
from vos_cli.main import run as run_command


@pytest.fixture(scope="module")
def tracker() -> Tracker:
    """A tracker with the smallest model, which calls every object present."""
    return small_tracker(small_nano())


def visible(result: Path, object_id: int = 1) -> list[int]:
    """Return the frames on which the object has pixels."""
    paths = sorted((result / "masks").iterdir())
    return [int(path.stem) for path in paths if (read_label_png(path) == object_id).any()]


@pytest.mark.parametrize(
    ("absent", "gone"),
    [
        (Absent(1, 12), [12]),
        (Absent(1, 8, 15), [*range(8, 16)]),
        (Absent(1, 8, "end"), [*range(8, FRAMES)]),
        (Absent(1, 20, 500), [*range(20, FRAMES)]),
    ],
)
def test_its_mask_goes_there_and_stays_before(result, tracker, absent, gone):
    before, was = contents(result), visible(result)
    edit = fix(open_result(result), [absent], tracker)
    assert not set(visible(result)) & set(gone)
    assert [idx for idx in visible(result) if idx < gone[0]] == [i for i in was if i < gone[0]]
    (span,) = edit.spans
    assert (span.first, span.before) == (gone[0], "absence")
    assert span.last >= gone[-1]
    for path in (result / "masks").iterdir():
        if int(path.stem) < gone[0]:
            assert path.read_bytes() == before[f"masks/{path.name}"]
    check_stats_fit_masks(result)
    assert all(rows_of(result)[idx, 1]["object_score"] < 0 for idx in gone)
    assert load_prompts(result / "prompts.json") == [BOX, OTHER, absent]
    assert not [one for one in open_result(result).suspicious() if one.first in gone]
    undo(open_result(result))
    assert without(contents(result), "manifest.json") == without(before, "manifest.json")


def test_it_ends_at_the_next_prompt_and_a_prompt_in_it_ends_it(result, tracker):
    later = Points(1, ((40.0, 30.0),), (1,), 16)
    fix(open_result(result), [later], tracker)
    (span,) = fix(open_result(result), [Absent(1, 6, "end")], tracker).spans
    assert (span.first, span.last, span.after) == (6, 15, "prompt")
    assert not set(visible(result)) & set(range(6, 16))
    back = Box(1, (30.0, 16.0, 62.0, 48.0), 10)
    (span,) = fix(open_result(result), [back], tracker).spans
    assert (span.first, span.last) == (10, 15), "neither the absence nor the next prompt changes"
    shown = set(visible(result)) & set(range(6, 16))
    assert 10 in shown
    assert min(shown) == 10
    fix(open_result(result), [Absent(1, 4, 12)], tracker)
    assert back not in open_result(result).prompts
    assert later in open_result(result).prompts
    assert not set(visible(result)) & set(range(4, 13))


def test_tracked_backward_the_frames_before_are_computed_again(
    tmp_path: Path, tracker: Tracker, result: Path
):
    out = tmp_path / "backward"
    prompt = Box(1, (42.0, 16.0, 74.0, 48.0), 22)
    make(tracker, tmp_path / "clip.mp4", out, prompts=(prompt,), direction="backward")
    before = contents(out)
    (span,) = fix(open_result(out), [Absent(1, 10, 12)], tracker).spans
    assert (span.corrected, span.last, span.after) == (12, 12, "absence")
    assert span.first <= 10
    assert not set(visible(out)) & {10, 11, 12}
    later = [name for name in before if name.startswith("masks/") and int(name[6:11]) > 12]
    assert all(contents(out)[name] == before[name] for name in later)


def test_tracked_with_it_is_as_fixed_with_it_where_nothing_else_is_left(tmp_path, tracker):
    clip = clips.video(tmp_path / "clip.mp4", FRAMES)
    for absent in (Absent(1, 9, "end"), Absent(1, 5, 11)):
        tracked, fixed = tmp_path / f"tracked{absent.frame_idx}", tmp_path / f"{absent.frame_idx}"
        make(tracker, clip, tracked, prompts=(BOX, absent))
        make(tracker, clip, fixed, prompts=(BOX,))
        fix(open_result(fixed), [absent], tracker)
        assert visible(tracked) == visible(fixed)


def test_a_prompt_that_ends_an_absence_gives_what_tracking_gives(tmp_path, tracker):
    clip = clips.video(tmp_path / "clip.mp4", FRAMES)
    absent, back = Absent(1, 5, "end"), Box(1, (31.0, 16.0, 63.0, 48.0), 11)
    make(tracker, clip, tmp_path / "tracked", prompts=(BOX, absent, back))
    make(tracker, clip, tmp_path / "fixed", prompts=(BOX, absent))
    fix(open_result(tmp_path / "fixed"), [back], tracker)
    for idx in range(FRAMES):
        one, other = (
            read_label_png(tmp_path / name / f"masks/{idx:05}.png") for name in ("tracked", "fixed")
        )
        assert (one == other).all(), idx


def test_both_ways_it_is_gone_before_and_after_its_prompt(tmp_path, tracker):
    clip = clips.video(tmp_path / "clip.mp4", FRAMES)
    absent = (Absent(1, 4, 6), Absent(1, 16, "end"))
    prompt = Box(1, (32.0, 16.0, 64.0, 48.0), 12)
    make(tracker, clip, tmp_path / "out", prompts=(prompt, *absent), direction="both")
    gone = {4, 5, 6, *range(16, FRAMES)}
    assert not set(visible(tmp_path / "out")) & gone
    assert {7, 11, 12, 15} <= set(visible(tmp_path / "out"))


def test_only_negative_clicks_leave_a_flag(result, tracker, monkeypatch):
    monkeypatch.setattr(type(open_result(result)), "cuts", property(lambda _self: [12]))
    flagged = [one for one in open_result(result).suspicious() if one.kind == "after cut"]
    assert 1 in {one.object_id for one in flagged}
    away = Points(1, ((90.0, 60.0),), (0,), 12)
    fix(open_result(result), [away], tracker)
    is_there = 12 in visible(result)
    kinds = {one.kind for one in open_result(result).suspicious() if one.object_id == 1}
    assert ("after cut" in kinds) == is_there
    fix(open_result(result), [Absent(1, 12, "end")], tracker)
    kinds = {one.kind for one in open_result(result).suspicious() if one.object_id == 1}
    assert kinds <= {"score drop", "area jump"}


def test_what_cannot_be_is_refused(result, capsys):
    opened = open_result(result)
    for absent, said in (
        (Absent(1, 0), "only said to be absent"),
        (Absent(1, 0, 5), "only said to be absent"),
        (Absent(2, 5), "object 2 is only said to be absent"),
        (Absent(1, 500), "frames 0 to 23"),
    ):
        with pytest.raises(PromptError, match=said):
            plan(opened, [absent])
    for text in ("1@", "5", "1@-2", "1:5", "@4", "1@a..b"):
        assert run_command(["fix", str(result), "--absent", text]) == 2
        assert "--absent" in capsys.readouterr().err
    assert run_command(["fix", str(result), "--absent", "1@9..3"]) == 2
    assert "did you mean 3 to 9" in capsys.readouterr().err


def test_an_object_cannot_begin_where_it_is_said_to_be_absent(result, tracker):
    fix(open_result(result), [Points(1, ((40.0, 30.0),), (1,), 16)], tracker)
    with pytest.raises(PromptError, match="begin the absence later"):
        plan(open_result(result), [Absent(1, 0, 3)])
