"""A stopped track goes on with other prompts, and leaves what a track with those would have."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from e2e import clips
from e2e.jobs import Runner, contents, interrupt, job_for
from vos.api import Tracker
from vos.errors import Cancelled, OtherOutputError
from vos.io.write.overlay import sink as overlay
from vos.prompts import Absent, Box, Points, Prompt
from vos.refine.base import NoRefiner
from vos.track.policy import Fifo
from vos_cli.console.errors import Interrupted

FRAMES = 14
FIRST = Box(1, (20, 16, 52, 48), frame_idx=0)
SECOND = Points(2, ((70.0, 10.0),), (1,), frame_idx=3)


@pytest.fixture(autouse=True)
def short_segments(monkeypatch):
    monkeypatch.setattr(overlay, "SEGMENT_FRAMES", 5)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return clips.video(tmp_path / "clip.mp4", FRAMES)


@pytest.fixture
def run(tiny_model) -> Runner:
    return Runner(Tracker(tiny_model, None, NoRefiner(), torch.float32, Fifo()))


def went_on(
    run: Runner, clip: Path, folder: Path, before: Any, after: Any, stop: int
) -> int | None:
    """Stop with one set of prompts, go on with another; return where, once all bytes are right."""
    run(job_for(clip, folder / "whole", checkpoint_s=999, **after))
    with pytest.raises(Exception, match="stopped"):
        run(job_for(clip, folder / "out", goes_on=True, **before), stop, Cancelled)
    outcome = run(job_for(clip, folder / "out", goes_on=True, **after))
    assert contents(folder / "out") == contents(folder / "whole")
    return outcome.resumed_at


@pytest.mark.parametrize(
    ("after", "stop", "resumed_at"),
    [
        ((FIRST, Box(1, (30, 16, 62, 48), 9)), 7, 7),  # later: nothing is done again
        ((FIRST, Box(1, (27, 16, 59, 48), 7)), 7, 7),  # on the very next frame
        ((FIRST, Box(1, (24, 16, 56, 48), 4)), 9, 4),  # on one that was done
        ((FIRST, Points(2, ((80.0, 50.0),), (1,), 5)), 9, 5),  # another object
    ],
)
def test_from_where_the_prompts_differ(run, tmp_path, clip, after, stop, resumed_at):
    before = {"prompts": (FIRST,)}
    found = went_on(run, clip, tmp_path, before, {"prompts": after}, stop)
    assert found is not None
    assert resumed_at - 2 <= found <= resumed_at  # older checkpoints are fewer


@pytest.mark.parametrize(("changed", "resumed_at"), [(4, 1), (1, 1), (0, None)])
def test_soon_after_the_start(run, tmp_path, clip, changed, resumed_at):
    """Before the first regular checkpoint, and on the first frame, where nothing can be kept."""
    first = Box(1, (22, 16, 54, 48), 0) if changed == 0 else FIRST
    later = () if changed == 0 else (Box(1, (20 + changed, 16, 52 + changed, 48), changed),)
    run(job_for(clip, tmp_path / "whole", checkpoint_s=999, prompts=(first, *later)))
    job = job_for(clip, tmp_path / "out", checkpoint_s=999, goes_on=True, prompts=(FIRST,))
    with pytest.raises(Interrupted):
        run(job, 6, Cancelled)
    goal = {"goes_on": True, "prompts": (first, *later)}
    outcome = run(job_for(clip, tmp_path / "out", checkpoint_s=999, **goal))
    assert outcome.resumed_at == resumed_at
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize("last", [9, None])
def test_an_absence_that_a_prompt_ends(run, tmp_path, clip, last):
    gone = Absent(1, 4, last)
    before = {"prompts": (FIRST, SECOND, gone)}
    after = {"prompts": (FIRST, SECOND, Absent(1, 4, 7), Box(1, (29, 16, 61, 48), 9))}
    assert went_on(run, clip, tmp_path, before, after, 9) is not None


@pytest.mark.parametrize("stop", [8, 9, 10])
def test_a_prompt_that_ends_an_open_absence(run, tmp_path, clip, stop):
    gone = Absent(1, 4, "end")
    before = {"prompts": (FIRST, SECOND, gone)}
    after = {"prompts": (FIRST, SECOND, gone, Box(1, (29, 16, 61, 48), 9))}
    assert went_on(run, clip, tmp_path, before, after, stop) is not None


def test_a_removed_object_and_its_mattes_go(run, tmp_path, clip):
    save = ("masks", "mattes", "stats")
    before = {"prompts": (FIRST, SECOND), "save": save}
    assert went_on(run, clip, tmp_path, before, {"prompts": (FIRST,), "save": save}, 9) is not None


def test_the_out_point_may_move_too(run, tmp_path, clip):
    before = {"prompts": (FIRST,), "end": 12}
    assert went_on(run, clip, tmp_path, before, {"prompts": (FIRST,), "end": 6}, 9) is not None


def test_tracked_both_ways(run, tmp_path, clip):
    first = Box(1, (23, 16, 55, 48), frame_idx=3)
    later = Box(1, (29, 16, 61, 48), frame_idx=9)
    before = {"prompts": (first,), "direction": "both"}
    after = {"prompts": (first, later), "direction": "both"}
    assert went_on(run, clip, tmp_path, before, after, 11) is not None


def test_undone_it_goes_on_from_what_is_there(run, tmp_path, clip):
    """What a change threw away is no checkpoint of the prompts of before."""
    later = Box(1, (24, 16, 56, 48), 4)
    run(job_for(clip, tmp_path / "whole", checkpoint_s=999, prompts=(FIRST,)))
    for prompts, stop in (((FIRST,), 10), ((FIRST, later), 2)):
        with pytest.raises(Exception, match="stopped"):
            run(job_for(clip, tmp_path / "out", goes_on=True, prompts=prompts), stop, Cancelled)
    run(job_for(clip, tmp_path / "out", goes_on=True, prompts=(FIRST,)))
    assert not [text for text in run.warned if "interrupted run" in text]
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_what_cannot_be_kept_is_not_lost_unasked(run, tmp_path, clip):
    """Backward every frame depends on all prompts; and only who asks goes on with others."""
    for direction, goes_on in (("backward", True), ("forward", False)):
        out = tmp_path / direction
        job = job_for(clip, out, prompts=(Box(1, (28, 16, 60, 48), 8),), direction=direction)
        interrupt(run, job, 4)
        other = job_for(
            clip,
            out,
            prompts=(*job.prompts, Box(1, (29, 16, 61, 48), 9)),
            direction=direction,
            goes_on=goes_on,
        )
        with pytest.raises(OtherOutputError, match="half done"):
            run(other)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_any_change_leaves_the_same_bytes(run, tmp_path, clip, seed):
    dice = random.Random(seed)

    def prompts() -> tuple[Prompt, ...]:
        drawn: list[Prompt] = [FIRST]
        for frame_idx in sorted(dice.sample(range(1, FRAMES), 3)):
            left = 20 + frame_idx
            who = dice.choice((1, 2, 3))
            drawn.append(Box(who, (left, 16, left + 30, 48), frame_idx))
        return tuple(drawn)

    last = prompts()
    run(job_for(clip, tmp_path / "whole", checkpoint_s=999, prompts=last))
    for _ in range(3):
        job = job_for(clip, tmp_path / "out", goes_on=True, overwrite=True, prompts=prompts())
        with suppress(Interrupted):
            run(job, dice.randint(2, 9), Cancelled)
    run(job_for(clip, tmp_path / "out", goes_on=True, overwrite=True, prompts=last))
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
