"""`vos models info`: what files are, and what they nearly are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from small_nano import small_nano
from vos.errors import CheckpointError, ModelError
from vos.model import registry
from vos.model.files.families import FAMILIES
from vos.model.files.identify import REFINER_KEY, FileInfo, identify
from vos.model.load import load_model
from vos.model.networks.published import build_published, published_shapes
from vos.refine.resolve import HEADER_KEY
from vos_cli.commands.models import app

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def tiny() -> State:
    """All tensors of a SAM 2.1 tiny, small in bytes."""
    shapes = published_shapes("sam2.1-tiny")
    return {name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}


def _save(payload: Mapping[str, object], path: Path) -> FileInfo:
    torch.save(payload, path)
    return identify(registry.resolve(str(path)))


def test_shapes_without_numbers_are_those_of_the_network():
    real = build_published("sam2.1-tiny").state_dict()
    assert published_shapes("sam2.1-tiny") == {n: t.shape for n, t in real.items()}


def test_a_fine_tuned_file(tiny: State, tmp_path: Path):
    info = _save({"model": tiny}, tmp_path / "mine.pt")
    assert (info.is_usable, info.architecture, info.input_px) == (True, "sam2.1-tiny", 1024)
    assert info.published is None
    assert info.parameters == sum(tensor.numel() for tensor in tiny.values())
    assert info.dtypes == ("float32",)


def test_a_published_file(tiny: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    entry = registry.get("sam2.1-tiny")
    monkeypatch.setattr(registry, "find_published", lambda _sha256: entry)
    info = _save({"model": tiny}, tmp_path / "renamed.pt")
    assert (info.published, info.licence) == ("sam2.1-tiny", "Apache-2.0")
    assert info.source == entry.repository


def test_medsam2_is_known_by_its_name(tiny: State, tmp_path: Path):
    info = _save({"model": tiny}, tmp_path / "MedSAM2_latest.pt")
    assert info.what.startswith("MedSAM2: sam2.1-tiny at 512 px")
    assert (info.is_usable, info.input_px, info.licence) == (True, 512, None)


def test_a_fork_is_told_with_its_own_tensors(tiny: State, tmp_path: Path):
    adapter = {f"adapter.layers.{i}.weight": torch.zeros(3) for i in range(5)}
    info = _save({"model": tiny | adapter}, tmp_path / "fork.pt")
    assert not info.is_usable
    assert info.what.startswith("nearly sam2.1-tiny")
    assert "5 tensors more: adapter.layers (5)" in info.notes


def test_missing_tensors_and_other_shapes(tiny: State, tmp_path: Path):
    state = {n: t for n, t in tiny.items() if not n.startswith("memory_encoder.")}
    state["no_mem_embed"] = torch.zeros(1, 1, 7)
    info = _save({"model": state}, tmp_path / "part.pt")
    assert not info.is_usable
    assert any("missing: memory_encoder." in note for note in info.notes)
    assert any("no_mem_embed is (1, 1, 7), sam2.1-tiny has (1, 1, 256)" in n for n in info.notes)


def test_training_checkpoints(tiny: State, tmp_path: Path):
    meta = {"optimizer": {"lr": 0.1}, "epoch": 3}
    plain = _save({"model": tiny, **meta}, tmp_path / "a.pt")
    assert plain.is_usable
    assert "beside the weights it holds epoch, optimizer" in plain.notes[0]
    lightning = _save({"state_dict": tiny, **meta}, tmp_path / "b.pt")
    assert not lightning.is_usable
    assert "under 'state_dict'" in lightning.notes[-1]
    wrapped = _save({"model": {f"module.{n}": t for n, t in tiny.items()}}, tmp_path / "c.pt")
    assert not wrapped.is_usable
    assert wrapped.architecture == "sam2.1-tiny"
    assert "'module.'" in wrapped.notes[-1]
    refiner = _save({"refiner": {"a": torch.zeros(2)}, **meta}, tmp_path / "d.pt")
    assert "checkpoint of `vos train refiner`" in refiner.what


FOREIGN = {
    "SAM 3.1 multiplex: other modules, not supported": (
        "tracker.model.interactive_sam_mask_decoder.iou_token.weight",
        "detector.backbone.vision_backbone.trunk.pos_embed",
    ),
    "SAM 3 with its tracker": (
        "tracker.maskmem_backbone.fuser.layers.0.gamma",
        "detector.backbone.vision_backbone.trunk.pos_embed",
    ),
    "SAM 3 in the form of transformers": ("detector_model.vision_encoder.a", "tracker_model.b"),
    "SAM 3's detector": ("detector.backbone.vision_backbone.trunk.pos_embed",),
    "EdgeTAM in the form of transformers": (
        "vision_encoder.backbone.timm_model.stem.weight",
        "spatial_perceiver.latents_1d",
        "mask_decoder.iou_token.weight",
        "memory_encoder.projection.weight",
    ),
    "SAM 2 or a relative in the form of transformers": (
        "vision_encoder.backbone.pos_embed",
        "mask_decoder.iou_token.weight",
        "memory_encoder.projection.weight",
    ),
    "HQ-SAM": (
        "image_encoder.pos_embed",
        "mask_decoder.hf_token.weight",
        "mask_decoder.iou_token.weight",
        "prompt_encoder.a",
    ),
    "SAM, the first": ("image_encoder.pos_embed", "mask_decoder.iou_token.w", "prompt_encoder.a"),
    "Cutie": ("pixel_encoder.a", "mask_encoder.a", "object_transformer.a"),
    "XMem": ("key_encoder.conv1.weight", "value_encoder.conv1.weight"),
    "not a model that vos knows": ("conv1.weight",),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_other_networks_are_named(what: str, tmp_path: Path):
    info = _save({name: torch.zeros(2, 3) for name in FOREIGN[what]}, tmp_path / "other.pt")
    assert info.what.startswith(what)
    assert not info.is_usable
    assert (info.parameters, info.tensors) == (6 * len(FOREIGN[what]), len(FOREIGN[what]))


def test_loading_a_known_network_names_it(tmp_path: Path):
    path = tmp_path / "sam3.pt"
    torch.save({name: torch.zeros(2) for name in FOREIGN["SAM 3 with its tracker"]}, path)
    with pytest.raises(CheckpointError, match=r"SAM 3 with its tracker, but incomplete: .*; `vos"):
        load_model(str(path), device=torch.device("cpu"))


def test_gated_weights_say_how_to_get_them():
    sam3 = [family for family in FAMILIES if family.title.startswith("SAM 3 ")]
    assert len(sam3) == 2
    assert all(any("hf download" in note for note in family.notes) for family in sam3)


def test_published_models_are_of_no_other_family(tiny: State):
    for name in ("sam2.1-tiny", "efficienttam-ti"):
        assert not [family for family in FAMILIES if family.fits(published_shapes(name))]
    assert not [family for family in FAMILIES if family.fits(small_nano().net.state_dict())]


def test_a_model_whose_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def absent(_architecture: str):
        raise ModelError("edgetam: needs the package timm; pip install 'vos[edgetam]'")

    monkeypatch.setattr("vos.model.networks.published.published_shapes", absent)
    names = ("spatial_perceiver.latents", "image_encoder.trunk.body.stem.conv1.c.weight")
    info = _save({name: torch.zeros(2) for name in names}, tmp_path / "edgetam.pt")
    assert (info.architecture, info.is_usable) == ("edgetam", False)
    assert any("vos[edgetam]" in note for note in info.notes)


def test_a_refiner_is_no_model(tmp_path: Path):
    path = tmp_path / "r.safetensors"
    save_file({"a": torch.zeros(2)}, path, {HEADER_KEY: "{}"})
    assert HEADER_KEY == REFINER_KEY
    assert identify(registry.resolve(str(path))).what == "a refiner of vos, not a model"


def test_the_embedded_model():
    info = identify(registry.resolve("nano"))
    assert (info.is_usable, info.published, info.architecture) == (True, "nano", "nano")
    assert info.input_px is not None


def _truncate(path: Path) -> None:
    torch.save({"model": {"w": torch.ones(5000)}}, path)
    path.write_bytes(path.read_bytes()[:9000])


UNREADABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (_truncate, r"truncated or damaged.*9000 bytes, sam2.1-tiny has 156008466"),
    "LFS pointer": (
        lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab"),
        "Git LFS pointer",
    ),
    "web page": (lambda p: p.write_text("\n<!DOCTYPE html><html>"), "a web page"),
    "no tensors": (lambda p: torch.save({"epoch": 3}, p), "without a table of tensors"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_files_without_tensors(kind: str, tmp_path: Path):
    make, words = UNREADABLE[kind]
    path = tmp_path / "sam2.1_hiera_tiny.pt"
    make(path)
    with pytest.raises(CheckpointError, match=words):
        identify(registry.resolve(str(path)))


def test_the_command(tiny: State, tmp_path: Path):
    path = tmp_path / "MedSAM2_latest.pt"
    torch.save({"model": tiny}, path)
    run = CliRunner().invoke(app, ["info", str(path), "--json"])
    report = json.loads(run.stdout)
    assert (report["schema"], report["is_usable"], report["input_px"]) == (1, True, 512)
    assert report["path"] == str(path)
    lines = CliRunner().invoke(app, ["info", str(path)]).stdout.splitlines()
    assert any(line.startswith("what") and "MedSAM2" in line for line in lines)
    assert any(line.startswith("usable") and f"--model {path}" in line for line in lines)
