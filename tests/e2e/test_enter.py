"""`vos track --everything --every N`: what enters later is found, told, kept and corrected."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import pytest
import torch

from e2e.jobs import Runner, contents, interrupt, job_for, part_of
from entering import ENTERS, clip, picture, squares
from vos.api import Tracker
from vos.frame import count_frame
from vos.io.write.mask_png import read_label_png
from vos.model.load import ModelInfo
from vos.prompts import Box, load_prompts
from vos.refine.base import NoRefiner
from vos.track import lookout
from vos.track.policy import Fifo
from vos_cli.fix.edit import fix
from vos_cli.fix.interrupted import rest_of
from vos_cli.fix.result import open_result
from vos_cli.job.job import Job
from vos_cli.main import run as run_command

FRAMES = 7
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def run(tiny_model, monkeypatch) -> Runner:
    """With a model that finds squares by their colour."""

    def find(_model, image, _wanted, _dtype):
        masks = squares(count_frame(image, 0, Fraction(24)))
        return [
            SimpleNamespace(iou_pred=0.9 - 0.1 * at, mask=lambda _size, mask=mask: mask)
            for at, mask in enumerate(masks)
        ]

    monkeypatch.setattr(lookout, "find_everything", find)
    info = ModelInfo("nano", "nano", Path(), "0" * 64, tiny_model.image_size, False)
    return Runner(Tracker(tiny_model, info, NoRefiner(), torch.float32, Fifo()))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return clip(tmp_path / "clip", FRAMES)


def make_job(source: Path, output: Path, **changes) -> Job:
    return job_for(
        source, output, **{"prompts": (), "every": 2, "save": ("masks", "stats"), **changes}
    )


def test_what_is_found_is_in_the_manifest_the_prompts_and_the_outcome(run, source, tmp_path):
    outcome = run(make_job(source, tmp_path / "out"))
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    told = [(one["object_id"], one["frame_idx"]) for one in manifest["found"]]
    assert tuple(told) == outcome.found
    assert told[0] == (1, 0)
    assert {idx for _, idx in told} <= {0, 2, 4, 6}
    assert outcome.as_json()["found"] == manifest["found"]
    assert (manifest["parameters"]["every"], manifest["parameters"]["prompts"]) == (2, [])
    schema = json.loads((DOCS / "schemas/manifest-2.schema.json").read_text())
    assert "found" in schema["properties"]
    jsonschema.validate(manifest, schema)
    assert outcome.found_lines()[0] == "found on frame 0: object 1"
    prompts = load_prompts(tmp_path / "out/prompts.json")
    assert [(one.object_id, one.frame_idx) for one in prompts] == told
    again = run(make_job(source, tmp_path / "out"))
    assert (again.is_skipped, again.found) == (True, outcome.found)
    # Whoever has these prompts makes the same masks.
    run(job_for(source, tmp_path / "again", prompts=tuple(prompts), save=("masks", "stats")))
    for name in ("stats.jsonl", "prompts.json", *(f"masks/{i:03}.png" for i in range(FRAMES))):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_interrupted_again_and_again_it_leaves_the_same_bytes(run, source, tmp_path):
    save = ("masks", "overlay", "stats")
    run(make_job(source, tmp_path / "whole", checkpoint_s=999, save=save))
    job = make_job(source, tmp_path / "out", save=save)
    for stop_after in (2, 3):
        assert "same command continues" in interrupt(run, job, stop_after)
    # What there is can be looked at, and Continue on the page makes the same.
    left = open_result(part_of(tmp_path / "out").with_name("out"))
    assert len(left.frames) < FRAMES
    assert rest_of(left, job.settings).every == 2
    left.source.__exit__(None, None, None)
    assert run(rest_of(left, job.settings)).resumed_at is not None
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_what_was_found_can_be_corrected_and_exported(run, source, tmp_path, capsys):
    outcome = run(make_job(source, tmp_path / "out", every=ENTERS))
    object_id, frame_idx = outcome.found[-1]
    assert frame_idx == ENTERS
    result = open_result(tmp_path / "out")
    with result.source:
        assert result.prompted_frames()[object_id] == {frame_idx}
        edit = fix(result, [Box(object_id, (40, 36, 60, 60), FRAMES - 1)], run.tracker)
    assert edit.new_objects == ()
    assert edit.spans[0].first > frame_idx
    words = ["export", str(tmp_path / "out"), "--to", "coco", "-o", str(tmp_path / "coco.json")]
    pytest.importorskip("pycocotools", reason="the extra `deliver` is not installed")
    assert run_command(words) == 0, capsys.readouterr().err


def test_the_cap_is_said_once_and_kept(run, source, tmp_path, monkeypatch):
    monkeypatch.setattr(lookout.Lookout.__init__, "__defaults__", (None, None, 2))
    job = make_job(source, tmp_path / "out", every=1)
    interrupt(run, job, FRAMES - 1)
    outcome = run(job)
    (warning,) = outcome.warnings
    assert "2 objects were found by then, and more are not followed at once" in warning
    assert run.warned == [warning]
    assert json.loads((tmp_path / "out/manifest.json").read_text())["warnings"] == [warning]
    assert [object_id for object_id, _ in outcome.found] == [1, 2]


def test_nothing_is_a_result_that_says_so(run, source, tmp_path, monkeypatch):
    monkeypatch.setattr(lookout, "find_everything", lambda *_: [])
    outcome = run(make_job(source, tmp_path / "out", scene_cuts="stop"))
    assert outcome.found == ()
    assert "nothing was found on any frame that was looked at" in outcome.warnings[0]
    assert not read_label_png(tmp_path / "out/masks/006.png").any()
    assert load_prompts(tmp_path / "out/prompts.json") == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--every", "3"], "--every 3 says when --everything looks again; give both"),
        (["--everything", "--every", "0"], "--every 0: it is a number of frames"),
        (["--everything", "--every", "x"], "--every"),
        (["--everything", "--every", "3", "--box", "1,1,9,9"], "contradict each other"),
        (["--everything", "--every", "3", "--direction", "both"], "goes forward"),
        (["--everything", "--every", "3", "--model", "null"], "needs a model"),
    ],
)
def test_what_has_two_readings_is_refused(source, tmp_path, capsys, words, says):
    assert run_command(["track", str(source), *words]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "clip-vos").exists()


@pytest.mark.slow
def test_the_command_finds_what_enters_with_the_embedded_model(vos, tmp_path):
    """The blue square is not there on the first frame."""
    source = clip(tmp_path / "clip", FRAMES)
    words = ("--everything", "--every", ENTERS, "--model", "nano", "--refiner", "none", "--json")
    ran = vos("track", source, *words, timeout_s=900)
    assert ran.code == 0, ran.err
    told = [(one["object_id"], one["frame_idx"]) for one in json.loads(ran.out)["found"]]
    assert told == [(1, 0), (2, ENTERS)]
    assert "found on frame 4: object 2" in ran.err
    for index in range(FRAMES):
        labels = read_label_png(tmp_path / f"clip-vos/masks/{index:03}.png")
        drawn = squares(count_frame(picture(index), index, Fraction(24)))
        assert set(np.unique(labels)) == set(range(len(drawn) + 1))
        for object_id, square in enumerate(drawn, start=1):
            found = labels == object_id
            assert (found & square).sum() > 0.7 * (found | square).sum(), (index, object_id)
