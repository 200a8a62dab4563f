"""Prompts that no run could use are refused before it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from e2e import clips
from e2e.jobs import job_for
from vos.errors import PromptError, UsageError
from vos.io.read.open import open_source
from vos.prompts import Absent, Box, MaskPrompt, save_prompts
from vos_cli.job.check import check, check_prompts
from vos_cli.options.track import TrackFlags


def test_prompts_of_another_frame_size(tmp_path: Path):
    file = tmp_path / "drawn.json"
    source = clips.images(tmp_path / "clip", 2)
    with open_source(source) as opened:
        height, width = opened.info.size_hw
        for drawn_on in ((height, width), None):
            save_prompts(file, [Box(1, (9, 9, 30, 30))], size_hw=drawn_on)
            job = TrackFlags(prompts=file).job(str(source), tmp_path / "out", progress=None)
            check_prompts(job, opened.info)
        save_prompts(file, [Box(1, (9, 9, 30, 30))], size_hw=(2 * height, 2 * width))
        job = TrackFlags(prompts=file).job(str(source), tmp_path / "out", progress=None)
        with pytest.raises(PromptError, match=f"drawn on a {2 * width}x{2 * height} frame"):
            check_prompts(job, opened.info)


@pytest.mark.parametrize("kind", ["video", "images"])
@pytest.mark.parametrize(
    ("end", "told"),
    [
        (Fraction(1, 2), "--end 00:00:00.500 leaves that frame out"),
        (Fraction(12, 24) - Fraction(1, 100), "leaves that frame out"),
        (12, "--end 12f leaves that frame out"),
        (Fraction(12, 24) + Fraction(1, 100), None),
        (Fraction(99), None),
        (None, None),
    ],
)
def test_a_prompt_behind_the_end(tmp_path: Path, kind: str, end: Fraction | int | None, told):
    clip = tmp_path / "clip"
    source = (
        clips.video(clip.with_suffix(".mp4"), 24) if kind == "video" else clips.images(clip, 24)
    )
    job = job_for(source, tmp_path / "out", end=end, prompts=(Box(1, (9, 9, 30, 30), 12),))
    with open_source(source) as opened:
        if told is None:
            check_prompts(job, opened.info)
            return
        with pytest.raises(PromptError, match=f"prompt on frame 12: .*{told}"):
            check_prompts(job, opened.info)
        check_prompts(replace(job, prompts=(Box(1, (9, 9, 30, 30), 11),)), opened.info)


def test_an_overlay_that_cannot_be_encoded(tmp_path: Path):
    job = job_for(tmp_path / "clip", tmp_path / "out", prompts=(Box(1, (9, 9, 30, 30)),))
    with open_source(clips.images(tmp_path / "clip", 2)) as opened:
        wide = replace(opened.info, size_hw=(128, 17_000))
        with pytest.raises(UsageError, match="17000 x 128"):
            check_prompts(job, wide)
        settings = replace(job.settings, save=("masks", "stats"))
        check_prompts(replace(job, settings=settings), wide)


@pytest.mark.parametrize(("objects", "said"), [(2, False), (30, True)])
def test_what_several_hypotheses_of_many_objects_cost_is_said_first(
    tmp_path: Path, objects: int, said: bool
):
    source = clips.images(tmp_path / "clip", 2)
    prompts = tuple(Box(i + 1, (9.0 + i, 9.0, 30.0 + i, 30.0)) for i in range(objects))
    job = job_for(source, tmp_path / "out", prompts=prompts)
    other = tmp_path / "other.pt"
    other.write_bytes(b"weights of some SAM 2")
    for policy in ("long", "fifo"):
        settings = replace(job.settings, policy=policy, model=str(other), refiner="none")
        with check(replace(job, settings=settings)) as prepared:
            notices = prepared.source.notices
        cost = [text for text in notices if f"{objects} objects with up to 3" in text]
        assert len(cost) == (said and policy == "long")


def test_long_says_that_nano_has_one_hypothesis(tmp_path: Path):
    source = clips.images(tmp_path / "clip", 2)
    job = job_for(source, tmp_path / "out", prompts=(Box(1, (9.0, 9.0, 30.0, 30.0)),))
    for policy in ("long", "fifo"):
        settings = replace(job.settings, policy=policy, model="nano", refiner="none")
        with check(replace(job, settings=settings)) as prepared:
            notices = prepared.source.notices
        said = any("nano offers a single mask on tracked frames" in text for text in notices)
        assert said == (policy == "long")


def test_samurai_says_which_objects_show_no_motion_yet(tmp_path: Path):
    source = clips.images(tmp_path / "clip", 2)
    with open_source(source) as opened:
        height, width = opened.info.size_hw
    whole = np.zeros((height, width), bool)
    whole[:16, :16] = True
    prompts = (MaskPrompt(1, whole), Box(2, (9, 9, 30, 30)), MaskPrompt(3, whole))
    job = job_for(source, tmp_path / "out", prompts=(*prompts, Box(3, (9, 9, 30, 30), 1)))
    for policy, said in (("samurai", True), ("fifo", False)):
        settings = replace(job.settings, policy=policy)
        with check(replace(job, settings=settings)) as prepared:
            notices = prepared.source.notices
        assert any("object 1 is prompted by a mask only" in text for text in notices) == said


def test_an_absence_past_the_end(tmp_path: Path):
    box = Box(1, (9, 9, 30, 30))
    job = job_for(clips.video(tmp_path / "clip.mp4", 6), tmp_path / "out", prompts=(box,))
    with open_source(tmp_path / "clip.mp4") as opened:
        check_prompts(replace(job, prompts=(box, Absent(1, 3, 5))), opened.info)
        with pytest.raises(PromptError, match="from frame 3 to 6 is past the end"):
            check_prompts(replace(job, prompts=(box, Absent(1, 3, 6))), opened.info)
