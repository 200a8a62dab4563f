"""`vos track --refiner`: which one is used, what is recorded, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from e2e import clips
from vos.model.load import load_model
from vos.refine.registry import build_refiner, load_refiner_config
from vos.refine.weights import save_refiner

BOX = ("--box", clips.BOX, "--model", "nano", "--save", "masks")


@pytest.fixture
def refiner(tmp_path: Path) -> Path:
    """An untrained one for nano, and one that says it is for other weights."""
    model, info = load_model("nano", device=torch.device("cpu"))
    built = build_refiner(load_refiner_config("mr"), model)
    (tmp_path / "models").mkdir()
    save_refiner(tmp_path / "fine.safetensors", built, info)
    other = replace(info, name="nano-2", sha256="00" * 32)
    save_refiner(tmp_path / "models" / "other.safetensors", built, other)
    return tmp_path / "fine.safetensors"


def test_a_run_says_and_records_its_refiner(vos, refiner: Path, tmp_path: Path):
    clip = clips.video(tmp_path / "clip.mp4", 2)
    ran = vos("track", clip, *BOX, "--refiner", "fine.safetensors", "-o", "out", "--json")
    assert ran.code == 0, ran.err
    assert "model nano, refiner fine" in ran.err
    said = json.loads(ran.out)["refiner"]
    kept = json.loads((tmp_path / "out" / "manifest.json").read_text())["parameters"]
    assert said == {"name": kept["refiner"], "sha256": kept["refiner_sha256"]}
    assert said["name"] == "fine"
    assert len(said["sha256"]) == 64

    again = vos("track", clip, *BOX, "--refiner", refiner, "-o", "out", "--json")
    assert json.loads(again.out)["skipped"] is True
    without = vos("track", clip, *BOX, "--refiner", "none", "-o", "out")
    assert without.code == 2
    assert "refiner" in without.error_lines[0]


def test_a_refiner_of_other_weights_is_refused(vos, refiner: Path, tmp_path: Path):
    clip = clips.video(tmp_path / "clip.mp4", 2)
    ran = vos("track", clip, *BOX, "--refiner", "other", "-o", "out")
    assert ran.code == 6
    assert "trained for nano-2" in ran.error_lines[0]
    assert not (tmp_path / "out").exists()
