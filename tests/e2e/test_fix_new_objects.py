"""`vos fix` tracks objects that a result does not have yet."""

from __future__ import annotations

import json

import numpy as np
import pytest

from e2e import clips
from e2e.results import (
    BOX,
    FRAMES,
    OTHER,
    check_stats_fit_masks,
    contents,
    make,
    manifest_of,
    rows_of,
    without,
)
from vos.io.write.mask_png import read_label_png
from vos.prompts import Box, MaskPrompt, Points, load_prompts, save_prompts
from vos.prompts.file import load_named_prompts
from vos_cli.fix.edit import fix, undo
from vos_cli.fix.overlay import redraw_overlay
from vos_cli.fix.result import open_result
from vos_cli.main import run as run_command

NEW = Box(2, (40.0, 20.0, 70.0, 45.0), frame_idx=10)


def test_it_is_there_from_its_prompt_on_and_takes_what_nobody_has(result, tracker):
    before, rows = contents(result), rows_of(result)
    labels = {path.name: read_label_png(path) for path in (result / "masks").iterdir()}
    edit = fix(open_result(result), [NEW], tracker, names={1: "not this one", 2: "bag"})
    assert edit.new_objects == (2,)
    (span,) = edit.spans
    assert (span.object_id, span.first, span.last) == (2, 10, FRAMES - 1)
    assert (span.before, span.after) == ("end", "end")
    for path in (result / "masks").iterdir():
        old, new = labels[path.name], read_label_png(path)
        assert (old[new == 2] == 0).all()
        assert (new[new != 2] == old[new != 2]).all(), "nobody else changes"
        if int(path.stem) < 10:
            assert path.read_bytes() == before[f"masks/{path.name}"]
    assert (read_label_png(result / "masks/00010.png") == 2).any()
    assert sorted(idx for idx, i in rows_of(result) if i == 2) == list(range(10, FRAMES))
    assert {key: row for key, row in rows_of(result).items() if key[0] < 10} == {
        key: row for key, row in rows.items() if key[0] < 10
    }
    check_stats_fit_masks(result)
    assert load_prompts(result / "prompts.json") == [BOX, OTHER, NEW]
    assert load_named_prompts(result / "prompts.json").names == {2: "bag"}
    (entry,) = manifest_of(result)["history"]
    assert entry["new_objects"] == [2]
    assert list(open_result(result).timeline()) == [1, 2, 3]


def test_drawn_together_with_another_the_highest_logit_wins(result, tracker):
    old = read_label_png(result / "masks" / "00012.png")
    left = np.zeros(old.shape, dtype=bool)
    left[:, : clips.WIDTH // 2] = True
    fix(open_result(result), [MaskPrompt(1, left, 12), MaskPrompt(2, ~left, 12)], tracker)
    new = read_label_png(result / "masks" / "00012.png")
    assert (new[left] == 1).mean() > 0.8, "a corrected object takes what it is said to be"
    free = ~left & (old != 3)
    assert (old[free] == 1).any()
    assert (new[free] == 2).mean() > 0.8, "also what the corrected one had"
    assert (new[~left & (old == 3)] == 3).all(), "but nothing of one that was not drawn"
    check_stats_fit_masks(result)


def test_alone_it_gets_the_masks_that_tracking_gives_it(tmp_path, tracker):
    """Nobody else claims a pixel, so it is an ordinary track from its first prompt on."""
    clip = clips.video(tmp_path / "clip.mp4", FRAMES)
    absent = Box(1, (1.0, 1.0, 3.0, 3.0), frame_idx=FRAMES - 1)
    more = Points(2, ((50.0, 30.0),), (1,), frame_idx=18)
    make(tracker, clip, tmp_path / "out", prompts=(absent,), save=("masks", "stats"))
    make(tracker, clip, tmp_path / "both", prompts=(absent, NEW), save=("masks", "stats"))
    fix(open_result(tmp_path / "out"), [NEW], tracker)
    for index in range(FRAMES - 1):
        one, other = (
            read_label_png(tmp_path / name / "masks" / f"{index:05}.png")
            for name in ("out", "both")
        )
        assert np.array_equal(one, other), index
    check_stats_fit_masks(tmp_path / "out")
    assert [span.first for span in fix(open_result(tmp_path / "out"), [more], tracker).spans] > [10]


def test_undo_and_corrections_of_it(result, tracker):
    states = [contents(result)]
    later = Points(2, ((20.0, 20.0),), (0,), frame_idx=16)
    earlier = Points(2, ((50.0, 30.0),), (1,), frame_idx=4)
    for prompt in (NEW, later, earlier):
        edit = fix(open_result(result), [prompt], tracker)
        assert edit.new_objects == ((2,) if prompt is NEW else ())
        states.append(contents(result))
    assert min(idx for idx, i in rows_of(result) if i == 2) == 4
    check_stats_fit_masks(result)
    for was in reversed(states[:-1]):
        undo(open_result(result))
        left = ("manifest.json", "overlay.mp4")
        assert without(contents(result), *left) == without(was, *left)
    redraw_overlay(open_result(result))
    assert contents(result)["overlay.mp4"] == states[0]["overlay.mp4"]


@pytest.mark.parametrize(
    ("direction", "first", "last"), [("backward", 0, 18), ("both", 0, FRAMES - 1)]
)
def test_it_goes_the_way_of_the_result(
    tmp_path,
    tracker,
    direction,
    first,
    last,
):
    clip = clips.video(tmp_path / "clip.mp4", FRAMES)
    prompts = (Box(1, BOX.box_xyxy_px, frame_idx=14),)
    out = tmp_path / "out"
    make(tracker, clip, out, direction=direction, prompts=prompts, save=("masks", "stats"))
    before = contents(out)
    twice = [NEW, Points(2, ((50.0, 30.0),), (1,), frame_idx=18)]
    fix(open_result(out), twice, tracker)
    assert sorted(idx for idx, i in rows_of(out) if i == 2) == list(range(first, last + 1))
    check_stats_fit_masks(out)
    undo(open_result(out))
    assert without(contents(out), "manifest.json") == without(before, "manifest.json")


def test_the_command_line_says_that_it_is_new_and_keeps_names(tmp_path, capsys):
    out = tmp_path / "out"
    clips.video(tmp_path / "clip.mp4", 8)
    drawn = tmp_path / "drawn.json"
    save_prompts(drawn, [BOX], names={1: "square"})
    track = ["track", str(tmp_path / "clip.mp4"), "--prompts", str(drawn), "-o", str(out), "-q"]
    assert run_command([*track, "--model", "nano", "--device", "cpu"]) == 0
    capsys.readouterr()
    save_prompts(drawn, [Box(2, (60, 10, 90, 50), frame_idx=3)], names={2: "post"})
    assert run_command(["fix", str(out), "--prompts", str(drawn), "--json"]) == 0
    told, said = capsys.readouterr()
    assert json.loads(told)["new_objects"] == [2]
    assert "object 2 is new" in said
    assert run_command(["fix", str(out), "--list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["objects"] == [1, 2]
    assert load_named_prompts(out / "prompts.json").names == {1: "square", 2: "post"}
