"""`vos train refiner` as a user runs it: a few steps, an export that tracks, errors in one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

CONFIG = """\
refiner: pr_mr
model: nano
image_size_px: 64
steps: {steps}
batch: 3
warmup_steps: 2
loss: {{final_points: 300, points: 100}}
eval_every: 100
eval_images: 2
checkpoint_every: 2
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "quick.yaml"
    path.write_text(CONFIG.format(steps=2))
    return path


def test_a_short_run_exports_a_refiner(vos, config, tmp_path):
    run = vos("train", "refiner", "--config", config, "--out", "run", "--json")
    assert run.code == 0, run.err
    result = json.loads(run.out)
    assert result["schema"] == 1
    assert result["steps"] == 2
    kinds = ("box", "points", "tracked")
    assert set(result["best"]) == {f"{k}_{s}" for k in kinds for s in ("miou", "mbiou")}
    assert (tmp_path / result["refiner"]).is_file()
    assert "beginning" in run.err
    assert "held out: box mIoU" in run.err
    assert "Warning" not in run.err

    again = vos("train", "refiner", "--config", config, "--out", "run", "-q")
    assert again.code == 0, again.err
    assert again.err == "", "a finished run has nothing left to do"
    assert again.out.startswith(f"refiner: {result['refiner']}\n")
    assert "box: mIoU 0." in again.out


def test_black_masks_are_told_of(vos, config, tmp_path):
    folder = tmp_path / "data/cascade_psp/ecssd"
    folder.mkdir(parents=True)
    for name in ("a", "b", "c"):
        mask = Image.new("L", (60, 60))
        if name != "a":
            mask.paste(255, (10, 10, 50, 50))
        mask.save(folder / f"{name}.png")
        mask.convert("RGB").save(folder / f"{name}.jpg")
    config.write_text(config.read_text() + "data: hqseg\nallow_partial: true\n")
    run = vos("train", "refiner", "--config", config, "--data", "data", "--json")
    assert run.code == 0, run.err
    assert json.loads(run.out)["empty_masks"] == 1
    assert "a.png: no object in it; masks skipped so: 1" in run.err


def test_a_killed_run_goes_on(vos, config, tmp_path, environ):
    config.write_text(CONFIG.format(steps=1000))
    command = [sys.executable, "-m", "vos_cli", "train", "refiner"]
    command += ["--config", str(config), "--out", "run"]
    running = subprocess.Popen(
        command, cwd=tmp_path, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        checkpoint = tmp_path / "run" / "checkpoint.pt"
        deadline = time.monotonic() + 120
        while not checkpoint.exists() and time.monotonic() < deadline:
            assert running.poll() is None
            time.sleep(0.05)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    done = torch.load(checkpoint, weights_only=True)["step"]
    assert done >= 2
    more = vos("train", "refiner", "--config", config, "--out", "run", "--minutes", "0.01")
    assert more.code == 0, more.err
    assert f"going on at step {done}" in more.err


def test_an_interrupt_keeps_the_work(config, tmp_path, environ):
    config.write_text(CONFIG.format(steps=1000).replace("checkpoint_every: 2", ""))
    command = [sys.executable, "-m", "vos_cli", "train", "refiner"]
    command += ["--config", str(config), "--out", "run"]
    running = subprocess.Popen(
        command, cwd=tmp_path, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    log = tmp_path / "run" / "log.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (log.exists() and '"loss"' in log.read_text()):
        assert running.poll() is None
        time.sleep(0.05)
    os.kill(running.pid, signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert b"the same command goes on from there" in err
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"] >= 1


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--config", "nano-refinr"], 2, "did you mean 'nano-refiner'"),
        (["--config", "quick.yaml", "--out", "quick.yaml"], 2, "choose another --out"),
        (["--config", "quick.yaml", "--model", "no-such"], 6, "no such model"),
        (["--config", "wrong.yaml"], 2, "did you mean 'steps'"),
        (["--config", "full.yaml", "--data", "."], 3, "DIS5K-TR has 0 of 3000"),
    ],
)
def test_errors_are_one_line(vos, config, tmp_path, arguments, code, text):
    (tmp_path / "wrong.yaml").write_text("refiner: mr\nstep: 4\n")
    (tmp_path / "full.yaml").write_text(config.read_text() + "data: hqseg\n")
    run = vos("train", "refiner", *arguments)
    assert run.code == code, run.err
    assert len(run.error_lines) == 1
    assert text in run.error_lines[0]
    assert run.out == ""


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_the_papers_config_needs_a_gpu(vos):
    run = vos("train", "refiner", "--config", "sam2.1-hqseg", "--data", ".")
    assert run.code == 2
    assert "needs a CUDA GPU" in run.error_lines[0]
