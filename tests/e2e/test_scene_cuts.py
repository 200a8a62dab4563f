"""A clip of two scenes: the cut is found, and `--scene-cuts` says what becomes of the track."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from e2e import clips
from e2e.jobs import BOX, LATER, Runner, contents, interrupt, job_for
from vos.api import Tracker
from vos.io.read.open import open_source
from vos.model.load import ModelInfo
from vos.prompts import Points
from vos.refine.base import NoRefiner
from vos.track.policy import Fifo
from vos_cli.batch.clips.clip import make_clips
from vos_cli.batch.clips.rows import read_rows
from vos_cli.fix.edit import fix
from vos_cli.fix.recompute import _Recompute
from vos_cli.fix.result import open_result
from vos_cli.options.track import TrackFlags

CUT, FRAMES = 9, 13


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """The square on green, then from frame 9 on another place without it."""
    return clips.two_scenes(tmp_path / "shots", FRAMES, CUT)


@pytest.fixture
def run(tiny_model) -> Runner:
    return Runner(Tracker(tiny_model, None, NoRefiner(), torch.float32, Fifo()))


def rows(output: Path) -> list[dict]:
    return [json.loads(line) for line in (output / "stats.jsonl").read_text().splitlines()]


def test_it_is_marked_unless_told_otherwise(vos, shots: Path, tmp_path: Path):
    words = ("track", shots, "--box", clips.BOX, "--model", "null", "--json", "-o")
    ran = vos(*words, "marked")
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert (told["frames"], told["scene_cuts"], told["ended_at_cut"]) == (FRAMES, [CUT], None)
    assert "1 scene cut" in ran.err
    assert json.loads((tmp_path / "marked/manifest.json").read_text())["scene_cuts"] == [CUT]
    marked = [row["frame_idx"] for row in rows(tmp_path / "marked") if row["is_scene_cut"]]
    assert marked == [CUT]
    again = json.loads(vos(*words, "marked").out)
    assert (again["skipped"], again["scene_cuts"]) == (True, [CUT])
    other = vos(*words, "marked", "--scene-cuts", "off")
    assert other.code == 2
    assert "(scene_cuts)" in other.error_lines[0]
    told = json.loads(vos(*words, "off", "--scene-cuts", "off").out)
    assert told["scene_cuts"] is None
    wrong = vos(*words, "x", "--scene-cuts", "cut")
    assert (wrong.code, len(wrong.error_lines)) == (2, 1)
    assert "--scene-cuts" in wrong.error_lines[0]


def test_a_row_of_a_batch_has_its_own(shots: Path, tmp_path: Path):
    listed = tmp_path / "list.jsonl"
    listed.write_text(
        "".join(
            json.dumps({"source": str(shots), **row}) + "\n"
            for row in (
                {"name": "a", "box": clips.BOX, "scene_cuts": "stop"},
                {"name": "b", "box": clips.BOX},
            )
        )
    )
    made = make_clips(read_rows(str(listed)), TrackFlags(scene_cuts="reset"), None)
    assert [clip.flags.settings(None).scene_cuts for clip in made] == ["stop", "reset"]


def test_stop_ends_the_track_before_it(run: Runner, shots: Path, tmp_path: Path):
    whole = run(job_for(shots, tmp_path / "whole"))
    assert (whole.frames, whole.scene_cuts) == (FRAMES, (CUT,))
    job = job_for(shots, tmp_path / "out", scene_cuts="stop")
    outcome = run(job)
    assert (outcome.frames, outcome.scene_cuts, outcome.ended_at_cut) == (CUT, (), CUT)
    assert outcome.summary().endswith(f"ended before the scene cut at frame {CUT}")
    before, now = contents(tmp_path / "whole"), contents(tmp_path / "out")
    masks = {name for name in before if name.startswith("masks/")}
    assert {name for name in now if name.startswith("masks/")} == {
        f"masks/{index:03}.png" for index in range(CUT)
    }
    assert all(now[name] == before[name] for name in masks & set(now))
    again = run(job)
    assert (again.is_skipped, again.ended_at_cut) == (True, CUT)


def test_stop_goes_on_where_prompts_are_still_to_come(run: Runner, shots: Path, tmp_path: Path):
    late = replace(LATER, frame_idx=CUT)
    job = job_for(shots, tmp_path / "out", prompts=(BOX, late), scene_cuts="stop")
    outcome = run(job)
    assert (outcome.frames, outcome.scene_cuts, outcome.ended_at_cut) == (FRAMES, (CUT,), None)


def test_backward_frames_before_the_cut_stay_empty(run: Runner, shots: Path, tmp_path: Path):
    late = replace(BOX, frame_idx=CUT + 2)
    job = job_for(shots, tmp_path / "out", prompts=(late,), direction="backward", scene_cuts="stop")
    outcome = run(job)
    assert (outcome.frames, outcome.scene_cuts) == (FRAMES, (CUT,))
    assert [row["frame_idx"] for row in rows(tmp_path / "out")] == [CUT, CUT + 1, CUT + 2]


def test_reset_remembers_only_prompted_frames(run: Runner, shots: Path, tmp_path: Path):
    run(job_for(shots, tmp_path / "mark"))
    run(job_for(shots, tmp_path / "reset", scene_cuts="reset"))
    session = run.tracker.session((BOX, LATER), frame_count=FRAMES)
    expected = {}
    with open_source(shots) as source:
        for frame in source.frames():
            if frame.frame_idx == CUT:
                session.forget_recent()
                assert [len(bank.recent) for bank in session.banks.values()] == [0, 0]
                assert [len(bank.prompted) for bank in session.banks.values()] == [1, 1]
            for object_id, scores in session.track(frame).objects.items():
                expected[frame.frame_idx, object_id] = round(scores.object_score, 3)
    marked, reset = rows(tmp_path / "mark"), rows(tmp_path / "reset")
    given = {(row["frame_idx"], row["object_id"]): row["object_score"] for row in reset}
    assert given == expected
    differ = [row["frame_idx"] for row, other in zip(reset, marked, strict=True) if row != other]
    assert min(differ) == CUT


def test_a_correction_forgets_where_the_track_did(run: Runner, shots, tmp_path, monkeypatch):
    remembered = []
    correct = _Recompute._correct

    def watched(self, session, frame):
        remembered.append(len(session.banks[1].recent))
        correct(self, session, frame)

    monkeypatch.setattr(_Recompute, "_correct", watched)
    info = ModelInfo("nano", "nano", Path("nano"), "0" * 64, 64, False)
    click = Points(1, ((5.5, 5.5),), (0,), CUT + 2)
    for action in ("mark", "reset"):
        changes = {"prompts": (BOX,), "save": ("masks", "stats"), "scene_cuts": action}
        run(job_for(shots, tmp_path / action, **changes))
        fix(open_result(tmp_path / action), [click], replace(run.tracker, model_info=info))
    assert remembered == [CUT + 1 - BOX.frame_idx, 2]


@pytest.mark.parametrize(
    ("action", "direction", "stops"),
    [
        ("reset", "forward", (8, 2, 1)),
        ("reset", "both", (2, 5, 8, 2)),
        ("stop", "both", (3, 4, 5)),
        ("mark", "backward", (3, 12, 2)),
    ],
)
def test_interrupted_around_the_cut(run, shots, tmp_path, action, direction, stops):
    late = replace(LATER, frame_idx=CUT + 2)
    prompts = (BOX, late) if action == "reset" else (BOX,)
    changes = {"scene_cuts": action, "direction": direction, "prompts": prompts}
    run(job_for(shots, tmp_path / "whole", checkpoint_s=999, **changes))
    job = job_for(shots, tmp_path / "out", **changes)
    for stop_after in stops:
        interrupt(run, job, stop_after)
    assert run(job).resumed_at is not None
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
