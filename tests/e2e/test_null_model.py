"""The null model goes the way of every other, but reads no weights and finds nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from e2e import clips
from vos.io.read.open import open_source
from vos.prompts import Box
from vos_cli.job.null_model import NullStream

BOX = Box(1, (20.0, 16.0, 52.0, 48.0))


def test_empty_masks_and_an_honest_manifest(vos, tmp_path: Path):
    clips.video(tmp_path / "a.mp4", 3)
    ran = vos("track", "a.mp4", "--box", clips.BOX, "--model", "null", "--json")
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert (told["model"]["name"], told["frames"]) == ("null", 3)
    masks = sorted((tmp_path / "a.mp4-vos/masks").iterdir())
    assert [mask.name for mask in masks] == ["00000.png", "00001.png", "00002.png"]
    assert not any(np.asarray(Image.open(mask)).any() for mask in masks)
    stats = (tmp_path / "a.mp4-vos/stats.jsonl").read_text().splitlines()
    assert [json.loads(line)["object_score"] for line in stats] == [-1.0] * 3
    again = vos("track", "a.mp4", "--box", clips.BOX, "--model", "nano")
    assert again.code == 2
    assert "(model, refiner, refiner_sha256)" in again.error_lines[0]


def test_it_is_not_offered(vos):
    assert '"null"' not in vos("models", "list", "--json").out


def test_a_worker_needs_no_torch(environ, tmp_path: Path):
    clips.video(tmp_path / "a.mp4", 3)
    program = """
import sys
from pathlib import Path
from unit.cli.batch import fakes
from dataclasses import replace
from vos.settings import Settings
from vos_cli.batch.engines.worker import run_task
(task,) = fakes.tasks(Path("."), "a.mp4")
task = replace(task, job=replace(task.job, settings=Settings(model="null")))
assert run_task(task, "w1", lambda *_: None).state == "done"
assert "torch" not in sys.modules
"""
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environ | {"PYTHONPATH": tests},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_a_stream_left_and_taken_up_gives_what_a_whole_one_gives(tmp_path: Path):
    clips.video(tmp_path / "a.mp4", 6)

    def names(resume, count: int) -> tuple[list[str], NullStream]:
        with open_source(tmp_path / "a.mp4") as source:
            stream = NullStream(source, [BOX], start=1, end=5, resume=resume)
            results = stream.results()
            return [next(results)[1].name for _ in range(count)], stream

    whole, _ = names(None, 4)
    first, left = names(None, 2)
    rest, done = names(left.checkpoint(), 2)
    assert first + rest == whole == ["00001", "00002", "00003", "00004"]
    assert done.frames == done.steps == 4
