"""A finished result is corrected in place, and every correction can be taken back."""

from __future__ import annotations

import json
import re
from dataclasses import replace

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
from small_nano import choosing_nano
from vos.errors import InputError, ModelError, OutputError, PromptError, UsageError
from vos.io.write.mask_png import read_label_png
from vos.prompts import Box, MaskPrompt, Points, load_prompts
from vos.track.policies.long import Long
from vos_cli.console.errors import Interrupted
from vos_cli.fix.edit import fix, undo
from vos_cli.fix.overlay import redraw_overlay
from vos_cli.fix.result import open_result
from vos_cli.main import run as run_command

CLICK = Points(1, ((70.0, 30.0),), (1,), frame_idx=12)


def test_only_the_corrected_object_changes_and_everything_fits_together(result, tracker):
    before, rows = contents(result), rows_of(result)
    labels = {path.name: read_label_png(path) for path in (result / "masks").iterdir()}
    done: list[int] = []
    edit = fix(open_result(result), [CLICK], tracker, on_frame=done.append)
    assert edit.frames
    (span,) = edit.spans
    assert (span.object_id, span.corrected) == (1, 12)
    assert 1 <= span.first <= 12 <= span.last
    assert sorted(done) == list(range(span.first, span.last + 1))
    for path in (result / "masks").iterdir():
        old, new, frame_idx = labels[path.name], read_label_png(path), int(path.stem)
        if frame_idx not in edit.frames:
            assert path.read_bytes() == before[f"masks/{path.name}"]
        assert not (new == 3)[old != 3].any(), "nobody gets what the corrected object gives up"
        assert (new[(old == 3) & (new != 3)] == 1).all(), "it takes what is its own"
    check_stats_fit_masks(result)
    for key, row in rows_of(result).items():
        if key[1] == 3:
            scores = ("iou_pred", "object_score", "pts", "name")
            assert {k: row[k] for k in scores} == {k: rows[key][k] for k in scores}
        elif not span.first <= key[0] <= span.last:
            assert row == rows[key]
    assert load_prompts(result / "prompts.json") == [BOX, OTHER, CLICK]
    manifest = manifest_of(result)
    (entry,) = manifest["history"]
    assert entry["spans"] == [span.as_json()]
    assert entry["frames_changed"] == len(edit.frames)
    assert entry["model_sha256"] == manifest["model_sha256"]
    assert entry["when"].endswith("Z")
    assert {**manifest, "history": None, "stale": None} == {
        **json.loads(before["manifest.json"]),
        "history": None,
        "stale": None,
    }


def test_a_track_of_several_hypotheses_is_corrected_as_any_other(tmp_path, tracker):
    clips.video(tmp_path / "clip.mp4", FRAMES)
    model = choosing_nano()
    tracker = replace(tracker, model=model, policy=Long(certain_above=1e9))
    make(tracker, tmp_path / "clip.mp4", tmp_path / "out")
    before = contents(tmp_path / "out")
    edit = fix(open_result(tmp_path / "out"), [CLICK], tracker)
    assert [span.object_id for span in edit.spans] == [1]
    assert edit.frames
    check_stats_fit_masks(tmp_path / "out")
    undo(open_result(tmp_path / "out"))
    masks = [name for name in before if name.startswith("masks/")]
    after = contents(tmp_path / "out")
    assert all(after[name] == before[name] for name in masks)


def test_undo_brings_back_every_byte_any_number_of_steps(result, tracker):
    states = [contents(result)]
    for click in (CLICK, Points(3, ((5.0, 5.0),), (0,), frame_idx=5)):
        fix(open_result(result), [click], tracker)
        redraw_overlay(open_result(result))
        states.append(contents(result))
    for number in (2, 1):
        assert undo(open_result(result)) == number
        redraw_overlay(open_result(result))
        was, now = states[number - 1], contents(result)
        assert without(now, "manifest.json") == without(was, "manifest.json")
    assert not (result / "history").exists()
    history = manifest_of(result)["history"]
    assert [entry.get("edit") or -entry["undo"] for entry in history] == [1, 2, -2, -1]
    with pytest.raises(UsageError, match="no correction to take back"):
        undo(open_result(result))
    assert fix(open_result(result), [CLICK], tracker).number == 3


def test_the_overlay_is_that_of_a_track_with_these_masks(tmp_path, tracker, monkeypatch):
    monkeypatch.setattr("vos.io.write.overlay.sink.SEGMENT_FRAMES", 5)
    result = tmp_path / "out"
    make(tracker, clips.video(tmp_path / "clip.mp4", FRAMES), result)
    first, late = (Points(1, ((70.0, 30.0),), (1,), frame_idx=i) for i in (20, 22))
    fix(open_result(result), [first], tracker)
    redraw_overlay(open_result(result))
    fixed = fix(open_result(result), [late], tracker)
    assert min(fixed.frames) > 20, "the next prompted frame is where it ends"
    assert open_result(result).is_overlay_stale
    drawn: list[int] = []
    redraw_overlay(open_result(result), drawn.append)
    assert drawn == [20, 21, 22, 23], "only the segment that changed"
    assert not open_result(result).is_overlay_stale
    assert redraw_overlay(open_result(result), drawn.append) == []
    assert len(drawn) == 4, "once is enough"
    parts = (result / "overlay.mp4").read_bytes()
    undo(open_result(result))
    (result / "overlay.mp4").write_text("damaged")
    fix(open_result(result), [late], tracker)
    drawn.clear()
    redraw_overlay(open_result(result), drawn.append)
    assert drawn == list(range(FRAMES)), "it cannot be taken apart any more"
    assert (result / "overlay.mp4").read_bytes() == parts


def test_how_many_frames_are_read_at_once_going_back_does_not_matter(result, tracker, monkeypatch):
    fix(open_result(result), [CLICK], tracker)
    whole = contents(result)
    undo(open_result(result))
    monkeypatch.setattr("vos_cli.fix.recompute._FIRST_WINDOW", 2)
    fix(open_result(result), [CLICK], tracker)
    assert without(contents(result), "manifest.json") == without(whole, "manifest.json")


def test_it_ends_at_the_next_prompted_frames(result, tracker):
    for frame_idx in (6, 18):
        fix(open_result(result), [Points(1, ((30.0, 30.0),), (1,), frame_idx)], tracker)
    (span,) = fix(open_result(result), [CLICK], tracker).spans
    assert span.first >= 7
    assert span.last <= 17
    assert (span.before, span.after) in {
        (a, b) for a in ("prompt", "agrees") for b in (a, "prompt")
    }


def test_it_ends_where_the_masks_agree_again(result, tracker, monkeypatch):
    """A correction that says what is there already concerns a few frames only."""
    monkeypatch.setattr("vos_cli.fix.agreement.LEAST_DIFFERENCE", 1.0)
    monkeypatch.setattr("vos_cli.fix.agreement.MOST_DIFFERENCE", 1.0)
    (span,) = fix(open_result(result), [CLICK], tracker).spans
    assert (span.first, span.last) == (12 - 8, 12 + 8)
    assert (span.before, span.after) == ("agrees", "agrees")


@pytest.mark.parametrize(("direction", "frame_idx"), [("backward", 5), ("both", 5), ("both", 20)])
def test_results_that_were_tracked_backward(tmp_path, tracker, direction, frame_idx):
    source = clips.images(tmp_path / "shots", FRAMES)
    prompts = (Box(1, BOX.box_xyxy_px, frame_idx=14),)
    make(tracker, source, tmp_path / "out", direction=direction, prompts=prompts)
    before = contents(tmp_path / "out")
    (span,) = fix(
        open_result(tmp_path / "out"), [Points(1, ((70.0, 30.0),), (0,), frame_idx)], tracker
    ).spans
    low, high = (0, 13) if frame_idx < 14 else (15, FRAMES - 1)
    assert low <= span.first <= frame_idx <= span.last <= high
    undo(open_result(tmp_path / "out"))
    redraw_overlay(open_result(tmp_path / "out"))
    after = contents(tmp_path / "out")
    assert without(after, "manifest.json") == without(before, "manifest.json")


def test_before_its_first_prompt_an_object_begins_at_the_correction(tmp_path, tracker):
    clips.video(tmp_path / "clip.mp4", FRAMES)
    late = Box(1, BOX.box_xyxy_px, frame_idx=12)
    make(tracker, tmp_path / "clip.mp4", tmp_path / "out", prompts=(OTHER, late))
    result = tmp_path / "out"
    with pytest.raises(PromptError, match="negative points only"):
        fix(open_result(result), [Points(1, ((30.0, 30.0),), (0,), 4)], tracker)
    (span,) = fix(open_result(result), [Points(1, ((30.0, 30.0),), (1,), 4)], tracker).spans
    assert (span.first, span.before, span.last <= 11) == (4, "end", True)
    assert {idx for idx, i in rows_of(result) if i == 1} >= {4, span.last}
    check_stats_fit_masks(result)


def test_two_objects_of_one_frame_go_together(result, tracker):
    mask = np.zeros((clips.HEIGHT, clips.WIDTH), dtype=bool)
    mask[:20, :20] = True
    clicks = [MaskPrompt(1, mask, 12), MaskPrompt(3, ~mask, 12), MaskPrompt(3, mask, 20)]
    edit = fix(open_result(result), clicks, tracker)
    assert [(span.object_id, span.corrected) for span in edit.spans] == [(1, 12), (3, 12), (3, 20)]
    assert edit.spans[1].last < 20
    assert edit.spans[2].first > 12
    labels = read_label_png(result / "masks" / "00012.png")
    assert (labels[mask] == 1).mean() > 0.8
    assert (labels[~mask] == 3).mean() > 0.9
    check_stats_fit_masks(result)


def test_stopped_it_leaves_everything_as_it_was(result, tracker):
    before = contents(result)
    with pytest.raises(Interrupted, match="as it was"):
        fix(open_result(result), [CLICK], tracker, stop=lambda: True)
    assert contents(result) == before


def test_a_corrected_result_is_never_replaced_silently(result, tracker, tmp_path):
    fix(open_result(result), [CLICK], tracker)
    before = contents(result)
    again = make(tracker, tmp_path / "clip.mp4", result)
    assert again.is_skipped
    assert "corrected (1 by `vos fix`), skipped" in again.summary()
    for changes in ({"overwrite": True}, {"prompts": (BOX,)}):
        with pytest.raises(OutputError, match=r"holds corrections .* --undo"):
            make(tracker, tmp_path / "clip.mp4", result, **changes)
    assert contents(result) == before
    undo(open_result(result))
    assert "corrected" not in make(tracker, tmp_path / "clip.mp4", result).summary()
    redraw_overlay(open_result(result))
    assert not make(tracker, tmp_path / "clip.mp4", result, overwrite=True).is_skipped


def test_the_input_may_move_but_not_change(result, tmp_path):
    moved = tmp_path / "elsewhere" / "film.mp4"
    moved.parent.mkdir()
    (tmp_path / "clip.mp4").rename(moved)
    with pytest.raises(InputError, match="--input"):
        open_result(result)
    assert open_result(result, source=str(moved)).frames == range(FRAMES)
    clips.video(tmp_path / "clip.mp4", FRAMES + 1)
    with pytest.raises(InputError, match="not there, or changed"):
        open_result(result)
    with pytest.raises(InputError, match="is not the input of this result"):
        open_result(result, source=str(tmp_path / "clip.mp4"))
    together = tmp_path / "elsewhere" / "out"
    result.rename(together)
    moved.rename(tmp_path / "elsewhere" / "clip.mp4")
    assert open_result(together).frames == range(FRAMES)


def test_an_edit_by_another_command_meanwhile_is_noticed(result, tracker):
    stale = open_result(result)
    fix(open_result(result), [CLICK], tracker)
    with pytest.raises(OutputError, match="changed meanwhile"):
        undo(stale)


def command(capsys, *words: object) -> tuple[int, str, str]:
    code = run_command(["fix", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_what_cannot_be_corrected(result, tracker, tmp_path, capsys):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "a.doc").write_text("mine")
    make(tracker, tmp_path / "clip.mp4", tmp_path / "bare", save=("masks",))
    (tmp_path / "clip.mp4-vos").mkdir()
    for words, code, told in [
        ((tmp_path / "nothing", "--list"), 3, "no such result"),
        ((tmp_path / "clip.mp4", "--list"), 3, f"is a file; .* here {tmp_path}/clip.mp4-vos"),
        ((tmp_path / "thesis", "--list"), 2, "no result of `vos track`"),
        ((tmp_path / "bare", "--list"), 2, "has no stats"),
        ((result, "--point", "1:10,10@24"), 2, "frames 0 to 23"),
        ((result, "--neg-point", "2:10,10@4"), 2, "negative points only"),
        ((result, "--point", "1:96,10@4"), 2, "outside the frame"),
        ((result, "--box", "1:1,1,9,9@4", "--mask", tmp_path / "no.png"), 2, "no such file"),
        ((result, "--undo"), 2, "no correction to take back"),
        ((result, "--undo", "--list"), 2, "contradict"),
        ((result, "--point", "1:10,10@4", "--model", "sam2.1-tin"), 6, "no such model"),
        ((result, "--point", "1:10,10@4", "--refiner", "gone"), 6, "no such refiner"),
    ]:
        got, out, err = command(capsys, *words)
        assert (got, out) == (code, ""), (words, err)
        (line,) = err.splitlines()
        assert line.startswith("vos: error: ")
        assert re.search(told, line), line


def test_other_weights_than_then(result, capsys):
    manifest = manifest_of(result)
    manifest["model_sha256"] = "0" * 64
    (result / "manifest.json").write_text(json.dumps(manifest))
    code, _, err = command(capsys, result, "--point", "1:10,10@4")
    assert code == ModelError.exit_code
    assert "SHA-256 000000000000" in err
    assert "--model PATH" in err


def test_a_result_of_another_version(result, capsys):
    manifest = manifest_of(result)
    del manifest["parameters"]["policy"]
    (result / "manifest.json").write_text(json.dumps(manifest))
    code, _, err = command(capsys, result, "--list")
    assert code == 2
    assert "another version of vos (its manifest lacks policy)" in err


def test_from_the_command_line(vos, tmp_path, capsys):
    out = tmp_path / "out"
    clips.video(tmp_path / "clip.mp4", 8)
    track = ["track", str(tmp_path / "clip.mp4"), "--box", clips.BOX, "-o", str(out), "-q"]
    model = ("--model", "nano", "--device", "cpu", "--policy", "long", "--lag", "2")
    assert run_command([*track, *model]) == 0
    assert manifest_of(out)["parameters"]["lag"] == 2
    before = contents(out)
    ran = vos("fix", "out", "--point", "1:30,30@4", "--neg-point", "1:80,10@4", "--json")
    assert ran.code == 0, ran.err
    assert "tracked with --lag 2: a correction does not wait" in ran.err
    told = json.loads(ran.out)
    assert (told["schema"], told["output"], told["number"]) == (1, "out", 1)
    assert told["spans"][0]["corrected"] == 4
    listed = json.loads(command(capsys, out, "--list", "--json")[1].splitlines()[-1])
    assert (listed["frames"], listed["objects"]) == ([0, 7], [1])
    assert [entry["edit"] for entry in listed["history"]] == [1]
    undone = vos("fix", "out", "--undo")
    assert (undone.code, undone.out) == (0, "out\n")
    assert "correction 1 is taken back" in undone.err
    assert without(contents(out), "manifest.json") == without(before, "manifest.json")
    assert "correction 1: object 1" in command(capsys, out, "--list")[1]
