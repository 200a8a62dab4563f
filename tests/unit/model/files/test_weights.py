"""Weight files: what is accepted, how a size is recognised, and what a wrong file says."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vos.errors import CheckpointError, ModelError
from vos.model import registry
from vos.model.files import weights as weight_file
from vos.model.load import load_model


def _build(config: str) -> dict[str, torch.Tensor]:
    from hydra import compose
    from hydra.utils import instantiate

    import_module("sam2")  # sets up the config search path
    linspace = torch.linspace  # the trunk reads its values, so these must be real

    with torch.device("meta"), pytest.MonkeyPatch.context() as patch:  # shapes only: costs nothing
        patch.setattr(torch, "linspace", lambda *args: linspace(*args, device="cpu"))
        return dict(instantiate(compose(config_name=config).model).state_dict())


@pytest.fixture(scope="module")
def tiny_state() -> dict[str, torch.Tensor]:
    """A SAM 2.1 tiny shaped state dict, small in bytes: every tensor is an expanded scalar."""
    return {key: torch.zeros(value.shape) for key, value in _build(_config("sam2.1-tiny")).items()}


def _config(name: str) -> str:
    config = registry.get(name).config
    assert config is not None
    return config


@pytest.fixture(scope="module")
def tiny_file(
    tiny_state: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("weights") / "official.pt"
    torch.save({"model": tiny_state}, path)
    return path


PUBLISHED = [name for name in registry.names() if name != registry.EMBEDDED]
SAM2_NAMES = [name for name in PUBLISHED if registry.get(name).config is not None]


@pytest.mark.parametrize("name", SAM2_NAMES)
def test_every_packaged_config_is_recognised_by_its_tensors(name: str):
    assert weight_file.infer_architecture(_build(_config(name))) == name


def test_official_file_round_trip(tiny_file: Path, tiny_state: dict[str, torch.Tensor]):
    loaded = weight_file.load_state_dict(tiny_file)
    assert loaded.keys() == tiny_state.keys()
    assert weight_file.infer_architecture(loaded) == "sam2.1-tiny"
    assert weight_file.load_metadata(tiny_file) == {}


def test_safetensors_by_content_not_by_name(tmp_path: Path):
    path = tmp_path / "weights.bin"
    save_file({"a": torch.arange(3.0)}, path, metadata={"config": "{}"})
    assert torch.equal(weight_file.load_state_dict(path)["a"], torch.arange(3.0))
    assert weight_file.load_metadata(path) == {"config": "{}"}


def test_bare_state_dict_is_accepted(tmp_path: Path):
    path = tmp_path / "bare.pt"
    torch.save({"w": torch.ones(2)}, path)
    assert torch.equal(weight_file.load_state_dict(path)["w"], torch.ones(2))


def test_sizes_that_differ_only_by_version_marks(tiny_state: dict[str, torch.Tensor]):
    marks = {"no_obj_embed_spatial", "obj_ptr_tpos_proj.weight", "obj_ptr_tpos_proj.bias"}
    old = {key: value for key, value in tiny_state.items() if key not in marks}
    assert weight_file.infer_architecture(old) == "sam2-tiny"
    half = {key: value for key, value in tiny_state.items() if key != "no_obj_embed_spatial"}
    with pytest.raises(CheckpointError, match="only one of"):
        weight_file.infer_architecture(half)


def test_unregistered_size(tiny_state: dict[str, torch.Tensor]):
    cut = {k: v for k, v in tiny_state.items() if "blocks.11." not in k}
    with pytest.raises(CheckpointError, match=r"x\.pt: .*width 96 with 11 blocks"):
        weight_file.infer_architecture(cut, Path("x.pt"))


def _truncated_pt(path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"model": {"w": torch.ones(5000)}}, buffer)
    path.write_bytes(buffer.getvalue()[:9000])


def _truncated_safetensors(path: Path) -> None:
    save_file({"w": torch.ones(5000)}, path)
    path.write_bytes(path.read_bytes()[:9000])


def _foreign_pt(path: Path) -> None:
    torch.save({"state": {"epoch": 3}}, path)


class _Boom:
    """A pickle that would run code if it were trusted."""

    def __reduce__(self):
        return (os.mkdir, ("/tmp/must-not-exist-vos",))


WRONG = {
    "missing": (lambda path: None, "cannot be read"),
    "folder": (lambda path: path.mkdir(), "cannot be read"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "text": (lambda path: path.write_text("hello, this is no model"), "neither a PyTorch nor"),
    "short": (lambda path: path.write_bytes(b"{"), "neither a PyTorch nor"),
    "truncated pt": (_truncated_pt, "truncated or damaged"),
    "truncated safetensors": (_truncated_safetensors, "truncated or damaged"),
    "foreign pt": (_foreign_pt, "without a table of tensors"),
    "code": (lambda path: torch.save({"model": _Boom()}, path), "more than tensors"),
    "code, old format": (
        lambda path: path.write_bytes(pickle.dumps(_Boom(), protocol=2)),
        "more than tensors",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_file_is_one_clear_line(kind: str, tmp_path: Path):
    make, words = WRONG[kind]
    path = tmp_path / "weights.pt"
    make(path)
    with pytest.raises(CheckpointError, match=words) as caught:
        weight_file.load_state_dict(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 6
    assert not Path("/tmp/must-not-exist-vos").exists()


def test_other_network_is_refused():
    with pytest.raises(CheckpointError, match=r"2 tensors \(first: 'conv1.weight'\)"):
        weight_file.infer_architecture({"conv1.weight": torch.ones(1), "fc": torch.ones(1)})


def test_sha256_and_verify(tmp_path: Path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert weight_file.compute_sha256(path) == digest
    good = registry.ModelEntry("m", "nano", "c", "r", "abc", 3, digest)
    assert weight_file.verify(good, path) == digest
    with pytest.raises(CheckpointError, match="3 bytes, m has 4"):
        weight_file.verify(registry.ModelEntry("m", "nano", "c", "r", "abc", 4, digest), path)
    with pytest.raises(CheckpointError, match=r"SHA-256 ba7816bf8f01\.\.\., m has 000000000000"):
        weight_file.verify(registry.ModelEntry("m", "nano", "c", "r", "abc", 3, "0" * 64), path)


@pytest.fixture
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VOS_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


def _place(path: Path, size: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)  # sparse: no disk is used
    return path


def test_auto_takes_the_best_whole_checkpoint(empty_machine: Path):
    models = empty_machine / "models"
    tiny, large = registry.get("sam2.1-tiny"), registry.get("sam2.1-large")
    assert tiny.size_bytes is not None
    assert large.size_bytes is not None
    wanted = _place(models / tiny.file_name, tiny.size_bytes)
    _place(models / large.file_name, large.size_bytes - 1)  # an interrupted copy
    found = registry.resolve("auto")
    assert (found.name, found.path, found.is_automatic) == ("sam2.1-tiny", wanted, True)


def test_hub_cache_is_used(empty_machine: Path):
    entry = registry.get("sam2.1-small")
    snapshot = empty_machine / "hub/models--facebook--sam2.1-hiera-small/snapshots/abc"
    wanted = _place(snapshot / entry.file_name, 10)
    assert registry.find(entry) == wanted
    assert not registry.resolve("sam2.1-small").is_automatic


def test_named_model_never_falls_back(empty_machine: Path):
    with pytest.raises(ModelError, match=r"vos models pull sam2\.1-large"):
        registry.resolve("sam2.1-large")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("sam2.1-lagre", "did you mean 'sam2.1-large'"),
        ("SAM-3", "gated"),
        ("MedSAM2", "give its path"),
        ("nothing.pt", "no such weight file"),
        ("x" * 300 + ".pt", "no such weight file"),
        ("a/b", "no such weight file"),
        ("", "no model is named"),
    ],
)
def test_unknown_model(spec: str, words: str, empty_machine: Path):
    with pytest.raises(ModelError, match=words):
        registry.resolve(spec)


def test_the_null_model_is_no_network():
    with pytest.raises(ModelError, match="null: is no network but a stand-in for one"):
        load_model("null", device=torch.device("cpu"))


def test_path_is_taken_as_it_is(tmp_path: Path):
    path = _place(tmp_path / "mine.pt", 5)
    resolved = registry.resolve(str(path))
    assert (resolved.path, resolved.entry, resolved.name) == (path, None, "mine.pt")
    with pytest.raises(ModelError, match="is a folder"):
        registry.resolve(str(tmp_path))


def test_registry_needs_no_torch():
    code = "import sys, vos.model.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_published_checksums_are_well_formed_and_distinct():
    sums = [registry.get(name).sha256 for name in PUBLISHED]
    assert all(s is not None and len(s) == 64 and int(s, 16) for s in sums)
    assert len(set(sums)) == len(sums)
    assert [registry.find_published(s or "") for s in sums] == [*map(registry.get, PUBLISHED)]


def test_the_list_says_what_each_model_is():
    for entry in map(registry.get, registry.names()):
        assert entry.speed
        assert entry.licence == "Apache-2.0"
        assert 0 < len(entry.purpose) <= 40
        assert (entry.trained_px in (512, 1024)) != entry.is_embedded


def test_a_file_is_hashed_once_until_it_changes(tmp_path, monkeypatch):

    path = tmp_path / "weights"
    path.write_bytes(b"one")
    hashed = []
    original = weight_file.hashlib.file_digest
    monkeypatch.setattr(
        weight_file.hashlib, "file_digest", lambda *a: hashed.append(1) or original(*a)
    )
    first = weight_file.compute_sha256(path)
    assert weight_file.compute_sha256(path) == first
    assert len(hashed) == 1
    path.write_bytes(b"other")
    assert weight_file.compute_sha256(path) != first
