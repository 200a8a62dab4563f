"""Refiner files: what is saved is what is loaded, and wrong files say what is wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import vos
from small_nano import small_nano
from vos.errors import CheckpointError, ModelError
from vos.model.files.weights import compute_sha256
from vos.model.load import ModelInfo
from vos.model.sam2 import Sam2Model
from vos.refine import resolve
from vos.refine.base import NoRefiner
from vos.refine.registry import KINDS, build_refiner
from vos.refine.resolve import HEADER_KEY, header_text, resolve_refiner
from vos.refine.sam2refiner.mask_refinement import MaskRefinementConfig
from vos.refine.sam2refiner.prompt_retargeting import PromptRetargetingConfig
from vos.refine.sam2refiner.refiner import SAM2Refiner, SAM2RefinerConfig, SAM2RefinerVideo
from vos.refine.weights import load_refiner, save_refiner

CONFIG = SAM2RefinerConfig(
    la=None,
    pr=PromptRetargetingConfig(radius_px=5.0),
    mr=MaskRefinementConfig(out_stride=2, features="sam"),
    video=SAM2RefinerVideo(la="keyframe:4", memory_mask="coarse"),
)
BASE = ModelInfo("nano", "nano", Path("nano.safetensors"), "ab" * 32, 64, is_automatic=False)
OTHER = replace(BASE, name="sam2.1-large", sha256="cd" * 32)


@pytest.fixture(scope="module")
def model() -> Sam2Model:
    return small_nano()


@pytest.fixture
def refiner(model) -> SAM2Refiner:
    torch.manual_seed(1)
    refiner = build_refiner(CONFIG, model)
    assert isinstance(refiner, SAM2Refiner)
    return refiner


@pytest.fixture
def file(refiner, tmp_path) -> Path:
    save_refiner(tmp_path / "fine.safetensors", refiner, BASE, {"trained": "by a test"})
    return tmp_path / "fine.safetensors"


def test_what_is_saved_is_loaded(file, refiner, model):
    loaded, info = load_refiner(str(file), model, BASE)
    assert isinstance(loaded, SAM2Refiner)
    assert loaded.config == CONFIG
    assert not loaded.training
    mine, theirs = refiner.state_dict(), loaded.state_dict()
    assert list(mine) == list(theirs)
    for name in mine:
        assert theirs[name].dtype == torch.float32
        assert torch.equal(theirs[name], mine[name].half().float())
    assert info is not None
    assert (info.name, info.kind, info.base_name) == ("fine", "sam2refiner", "nano")
    assert info.base_sha256 == BASE.sha256
    assert len(info.sha256) == 64
    weights = sum(p.numel() for p in refiner.parameters())
    assert file.stat().st_size < 2 * weights + 20_000, "half precision"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_survives_the_disk(kind, model, tmp_path):
    built = build_refiner(KINDS[kind][0](), model)
    save_refiner(tmp_path / "one.safetensors", built, BASE)
    loaded, info = load_refiner(str(tmp_path / "one.safetensors"), model, BASE)
    assert type(loaded) is type(built)
    assert loaded.config == built.config
    assert info is not None
    assert info.kind == kind


def test_another_base_is_refused(file, model):
    with pytest.raises(ModelError, match=r"trained for nano .*not for sam2.1-large"):
        load_refiner(str(file), model, OTHER)


@pytest.mark.parametrize("kept", [0, 5, 100, 0.5, 0.999])
def test_truncated(file, kept):
    whole = file.read_bytes()
    file.write_bytes(whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
    with pytest.raises(CheckpointError, match=r"fine.safetensors: (truncated|not a refiner)"):
        resolve_refiner(str(file), BASE.name, BASE.sha256)


def _foreign_tensors(path: Path) -> None:
    save_file({"a": torch.zeros(2)}, path)


def _foreign_header(path: Path) -> None:
    save_file({"a": torch.zeros(2)}, path, {HEADER_KEY: '{"kind": 3}'})


FOREIGN = {
    "text": lambda path: path.write_text("not weights " * 20),
    "PyTorch": lambda path: torch.save({"model": {"a": torch.zeros(2)}}, path),
    "other tensors": _foreign_tensors,
    "other header": _foreign_header,
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign(kind, tmp_path):
    path = tmp_path / "odd.safetensors"
    FOREIGN[kind](path)
    with pytest.raises(CheckpointError, match=r"odd\.safetensors: not a refiner file"):
        resolve_refiner(str(path), BASE.name, BASE.sha256)


def test_the_base_model_is_no_refiner():
    nano = Path(vos.__file__).parent / "weights" / "nano.safetensors"
    with pytest.raises(CheckpointError, match="not a refiner file"):
        resolve_refiner(str(nano), BASE.name, BASE.sha256)


def _rewrite(file: Path, **changes) -> None:
    header = json.loads(header_text("sam2refiner", {}, BASE.name, BASE.sha256)) | changes
    save_file({"a": torch.zeros(2)}, file, {HEADER_KEY: json.dumps(header)})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 2}, "format 2.*update vos"),
        ({"kind": "sam3refiner"}, "sam3refiner.*another version"),
        ({"options": {"lb": None}}, "'lb'.*another version"),
        ({}, "tensors are not those of a sam2refiner"),
    ],
)
def test_a_file_this_version_cannot_use(changes, words, file, model):
    _rewrite(file, **changes)
    with pytest.raises(CheckpointError, match=words):
        load_refiner(str(file), model, BASE)


def test_none_and_absent(model, tmp_path):
    assert isinstance(load_refiner("none", model, BASE)[0], NoRefiner)
    for spec in ("bold", "none.safetensors", str(tmp_path / "no.safetensors")):
        with pytest.raises(ModelError, match=re.escape(f"refiner={spec!r}: no such refiner")):
            load_refiner(spec, model, BASE)
    with pytest.raises(ModelError, match="folder"):
        load_refiner(str(tmp_path), model, BASE)


@pytest.fixture
def packaged(monkeypatch, tmp_path) -> Path:
    """Where the embedded refiner would be."""
    monkeypatch.setattr(resolve, "WEIGHTS_DIR", tmp_path)
    return tmp_path / "nano-refiner.safetensors"


def test_auto_takes_the_embedded_one_for_its_base_alone(packaged, refiner, model):
    assert isinstance(load_refiner("auto", model, BASE)[0], NoRefiner)
    save_refiner(packaged, refiner, BASE)
    found, info = load_refiner("auto", model, BASE)
    assert isinstance(found, SAM2Refiner)
    assert info is not None
    assert info.path == packaged
    assert isinstance(load_refiner("auto", model, OTHER)[0], NoRefiner)
    with pytest.raises(ModelError, match="trained for nano"):
        load_refiner("nano-refiner", model, OTHER)
    packaged.write_bytes(packaged.read_bytes()[:-10])
    assert isinstance(load_refiner("auto", model, BASE)[0], NoRefiner)
    with pytest.raises(CheckpointError, match="truncated"):
        load_refiner("nano-refiner", model, BASE)


def test_a_name_is_looked_up_in_the_models_folder(file, monkeypatch):
    monkeypatch.setenv("VOS_MODELS", str(file.parent))
    info = resolve_refiner("fine", BASE.name, BASE.sha256)
    assert info is not None
    assert info.path == file


def test_resolving_needs_no_torch(file):
    code = (
        "import sys; from vos.refine.resolve import resolve_refiner as r; "
        f"assert r({str(file)!r}, 'nano', {BASE.sha256!r}).kind == 'sam2refiner'; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_shipped_refiner_is_of_the_shipped_model():
    shipped = {path.name: path.stat().st_size for path in resolve.WEIGHTS_DIR.iterdir()}
    assert set(shipped) == {"nano.safetensors", "nano-refiner.safetensors"}
    assert sum(shipped.values()) < 15e6
    info = resolve.read_info(resolve.WEIGHTS_DIR / "nano-refiner.safetensors")
    assert info.base_sha256 == compute_sha256(resolve.WEIGHTS_DIR / "nano.safetensors")
