"""`vos track --boxes`: detections beside other prompts, and in a list of clips."""

from __future__ import annotations

import json

import pytest

from e2e import clips
from vos_cli.batch.clips.rows import read_rows
from vos_cli.main import run


@pytest.fixture
def clip(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return clips.video(tmp_path / "a.mp4", 4)


def test_boxes_are_joined_with_other_prompts_and_how_they_were_read_is_said(clip, tmp_path, capsys):
    (tmp_path / "det.txt").write_text("1,3,20,16,32,32\n2,5,10,10,20,200\n2,3,1,1,5,5\n")
    words = ["track", "a.mp4", "--boxes", "det.txt", "--point", "3:30,30", "--model", "null"]
    assert run(words) == 0
    told = capsys.readouterr().err
    assert (
        "det.txt: read as MOT, frames from 1: the first box of each track is a prompt (2 tracks)"
        in told
    )
    prompts = json.loads((tmp_path / "a.mp4-vos/prompts.json").read_text())["prompts"]
    assert [(one["type"], one["object_id"], one["frame_idx"]) for one in prompts] == [
        ("points", 3, 0),
        ("box", 3, 0),
        ("box", 5, 1),
    ]
    assert prompts[2]["box_xyxy_px"] == [10, 10, 30, clips.HEIGHT]


@pytest.mark.parametrize(
    ("boxes", "more", "says"),
    [
        ("1,3,20,16,32,32\n", ["--box", "3:1,1,9,9"], "object 3 on frame 0 has 2 boxes"),
        ("9,3,20,16,32,32\n", [], "frame 8 is past the end"),
        ("1,3,20,16\n", [], "det.txt:1: 4 numbers"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_tracked(
    clip, tmp_path, capsys, boxes, more, says
):
    (tmp_path / "det.txt").write_text(boxes)
    assert run(["track", "a.mp4", "--boxes", "det.txt", "--model", "null", *more]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "a.mp4-vos").exists()


def test_boxes_in_a_list_of_clips_count_from_its_folder(clip, tmp_path, capsys):
    (tmp_path / "list.csv").write_text("source,boxes\na.mp4,labels@1\n")
    (row,) = read_rows("list.csv")
    assert row.options["boxes"] == str(tmp_path / "labels@1")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a_1.txt").write_text("0 0.5 0.5 0.25 0.5\n")
    assert run(["batch", "list.csv", "-o", "out", "--model", "null"]) == 0, capsys.readouterr().err
    prompts = json.loads((tmp_path / "out/clips/a.mp4/prompts.json").read_text())["prompts"]
    assert [one["box_xyxy_px"] for one in prompts] == [[36, 16, 60, 48]]
