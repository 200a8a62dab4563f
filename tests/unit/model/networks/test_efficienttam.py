"""EfficientTAM: recognised, loaded, tracked with, and equal to the authors' own code."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stand_in import StandIn
from tests.unit.track.official import write_clip
from vos.errors import CheckpointError, ModelError, UsageError
from vos.model import registry
from vos.model.files.weights import compute_sha256, infer_architecture
from vos.model.gpu.record_model import record_model
from vos.model.load import load_model, make_ready
from vos.model.networks.efficienttam import build_efficienttam
from vos.model.sam2 import Sam2Model
from vos.prompts import Box
from vos.refine.registry import build_refiner, load_refiner_config
from vos.track.compose import resize_to_video
from vos.track.session import Session

WIDTHS = {"efficienttam-s": 384, "efficienttam-ti": 192}
SIZE_HW = (90, 120)
CPU = torch.device("cpu")


def _random_state(width: int) -> dict[str, torch.Tensor]:
    """Weights that call the object present, and that start no tensor at zero."""
    torch.manual_seed(0)
    state = build_efficienttam(width).state_dict()
    for name, tensor in state.items():
        if not tensor.any():
            tensor.normal_(std=0.02)
        if name.endswith("gamma"):
            tensor.fill_(0.1)
    state["sam_mask_decoder.pred_obj_score_head.layers.2.bias"].fill_(4.0)
    return state


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("efficienttam") / "mine.pt"
    torch.save({"model": _random_state(192)}, path)
    return path


def _track(model: Sam2Model, folder: Path, count: int) -> list[torch.Tensor]:
    frames = write_clip(folder, count, SIZE_HW)
    session = Session(model, [Box(1, (30.0, 20.0, 90.5, 70.0))], frame_count=count)
    return [resize_to_video(session.decode(frame)[1].logits, SIZE_HW)[0, 0] for frame in frames]


@pytest.mark.parametrize("name", WIDTHS)
def test_recognised_by_its_tensors(name: str):
    with torch.device("meta"):
        shapes = {n: torch.empty(t.shape) for n, t in _random_shapes(WIDTHS[name]).items()}
    assert infer_architecture(shapes) == name


def _random_shapes(width: int) -> dict[str, torch.Tensor]:
    return build_efficienttam(width).state_dict()


def test_loads_and_tracks_the_same_bits_every_time(weights: Path, tmp_path: Path):
    model, info = load_model(str(weights), device=CPU, image_size_px=128)
    assert (info.architecture, info.image_size_px) == ("efficienttam-ti", 128)
    first = _track(model, tmp_path, 4)
    again = _track(load_model(str(weights), device=CPU, image_size_px=128)[0], tmp_path, 4)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert all(mask.isfinite().all() and mask.min() < mask.max() for mask in first)


def test_quick_arithmetic_differs_by_rounding_alone(weights: Path, tmp_path: Path):
    exact, quick = (
        load_model(str(weights), device=CPU, image_size_px=128, exact=exact)[0]
        for exact in (True, False)
    )
    for a, b in zip(_track(exact, tmp_path, 4), _track(quick, tmp_path, 4), strict=True):
        torch.testing.assert_close(a, b, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "side"),
    [("efficienttam_ti_512x512.pt", 512), ("MedSAM2_latest.pt", 512), ("mine.pt", 1024)],
)
def test_the_side_that_a_file_is_named_after(weights: Path, name: str, side: int, tmp_path: Path):
    path = tmp_path / name
    path.symlink_to(weights)
    assert load_model(str(path), device=CPU)[0].image_size == side
    assert load_model(str(path), device=CPU, image_size_px=256)[0].image_size == 256


def test_a_published_file_knows_its_side_whatever_its_name(
    weights: Path, monkeypatch: pytest.MonkeyPatch
):
    small = replace(registry.get("efficienttam-ti-512"), sha256=compute_sha256(weights))
    monkeypatch.setattr(registry, "REGISTRY", {small.name: small})
    assert load_model(str(weights), device=CPU)[0].image_size == 512


def test_recordings_have_the_same_bits(weights: Path, make_frames):
    class Never(StandIn):
        def can_record(self) -> bool:
            return False

    model, _ = load_model(str(weights), device=CPU, image_size_px=64, exact=False)
    recorder, boxes = StandIn(), [Box(1, (10, 8, 50, 40)), Box(2, (0, 0, 20, 20))]
    ours = Session(record_model(model, recorder), boxes)
    theirs = Session(record_model(model, Never()), boxes)
    for frame in make_frames(20):
        one, other = ours.decode(frame), theirs.decode(frame)
        assert all(torch.equal(one[i].logits, other[i].logits) for i in (1, 2))
    assert recorder.replays > 20


def test_has_one_feature_level(weights: Path):
    model, _ = load_model(str(weights), device=CPU, image_size_px=64)
    features = model.encode_image(torch.zeros(1, 3, 64, 64))
    assert features.s16.shape == (1, 256, 4, 4)
    assert (features.s4, features.s8, features.fpn4, features.fpn8) == (None,) * 4


@pytest.mark.parametrize(
    ("preset", "named"),
    [("pr_mr", "mask refinement"), ("samref", "samref")],
)
def test_refiners_of_fine_features_refuse_by_name(weights: Path, preset: str, named: str):
    model, _ = load_model(str(weights), device=CPU, image_size_px=64)
    with pytest.raises(ModelError, match=f"{named}: reads image features at strides 4 and 8"):
        build_refiner(load_refiner_config(preset), model)


@pytest.mark.parametrize("size", [500, 16, 1008])
def test_sizes_that_do_not_fit_the_stride(weights: Path, size: int):
    with pytest.raises(UsageError, match=f"input side {size}: give a multiple of 32"):
        load_model(str(weights), device=CPU, image_size_px=size)


def test_a_fork_with_tensors_of_its_own(tmp_path: Path):
    state = _random_state(192) | {"adapter.weight": torch.ones(2), "adapter.bias": torch.ones(2)}
    path = tmp_path / "fork.pt"
    torch.save({"model": state}, path)
    with pytest.raises(CheckpointError, match=r"2 unknown, first 'adapter\.weight'"):
        load_model(str(path), device=CPU, image_size_px=64)


@pytest.mark.slow
@pytest.mark.parametrize(("width", "size"), [(192, 256), (384, 224), (192, 512), (384, 1024)])
def test_equals_the_authors_code(width: int, size: int, tmp_path: Path):
    package = os.environ.get("VOS_EFFICIENTTAM")
    if package is None:
        pytest.skip(
            "VOS_EFFICIENTTAM names no folder: unpack the wheel of efficient-track-anything 1.0 "
            "from PyPI somewhere (installed, it would take the place of sam2)"
        )
    weights, out, clip = tmp_path / "weights.pt", tmp_path / "logits.pt", tmp_path / "clip"
    clip.mkdir()
    state = _random_state(width)
    torch.save({"model": state}, weights)
    count = 10 if size <= 512 else 4
    net = build_efficienttam(width)
    net.load_state_dict(state)
    ours = _track(make_ready(net, device=CPU, image_size_px=size), clip, count)
    program = Path(__file__).with_name("efficienttam_authors.py")
    arguments = [package, weights, clip, width, size, out]
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    subprocess.run([sys.executable, program, *map(str, arguments)], check=True, env=environ)
    theirs = torch.load(out, weights_only=True)
    assert sorted(theirs) == list(range(count))
    for index, mask in enumerate(ours):
        assert torch.equal(mask, theirs[index]), f"frame {index} differs"
