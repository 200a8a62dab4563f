"""EdgeTAM: its memories are tokens. Loaded, tracked with, and equal to the authors' own code."""

from __future__ import annotations

import builtins
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tests.unit.track.official import write_clip
from vos.errors import ModelError, UsageError
from vos.model.load import load_model, make_ready
from vos.model.networks.edgetam import build
from vos.model.networks.edgetam.perceiver import TOKENS, Perceiver
from vos.model.sam2 import Sam2Model
from vos.model.types import MemoryEntry, Recall
from vos.prompts import Box
from vos.track.compose import resize_to_video
from vos.track.session import Session

SIZE_HW = (90, 120)
CPU = torch.device("cpu")
BOX = (30.0, 20.0, 90.5, 70.0)
ONE = torch.ones(1, 1)


class _SmallTrunk(nn.Module):
    """Stands in for timm's, which not every machine has; the test against the authors does not."""

    def __init__(self) -> None:
        super().__init__()
        self.channel_list = [8, 8, 8, 8]
        self.body = nn.Module()
        self.body.stem = nn.Module()
        self.body.stem.conv1 = nn.Module()
        self.body.stem.conv1.c = nn.Conv2d(3, 8, 4, 4)
        self.down = nn.ModuleList(nn.Conv2d(8, 8, 2, 2) for _ in range(3))

    def forward(self, image: Tensor) -> list[Tensor]:
        levels = [self.body.stem.conv1.c(image)]
        for conv in self.down:
            levels.append(conv(levels[-1]))
        return levels


def _random_state() -> dict[str, Tensor]:
    """Weights that call the object present, and that start no tensor at zero."""
    torch.manual_seed(0)
    state = build.build_edgetam().state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point() and not tensor.any():
            tensor.normal_(std=0.02)
        if name.endswith("gamma"):
            tensor.fill_(0.1)
    state["sam_mask_decoder.pred_obj_score_head.layers.2.bias"].fill_(4.0)
    return state


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(build, "RepViT", _SmallTrunk)
    path = tmp_path / "mine.pt"
    torch.save({"model": _random_state()}, path)
    return path


def _track(model: Sam2Model, folder: Path, count: int, objects: int = 1) -> list[list[Tensor]]:
    frames = write_clip(folder, count, SIZE_HW)
    boxes = [Box(i + 1, (BOX[0] + 3 * i, *BOX[1:])) for i in range(objects)]
    session = Session(model, boxes, frame_count=count)
    found = [session.decode(frame) for frame in frames]
    return [
        [resize_to_video(one[i + 1].logits, SIZE_HW)[0, 0] for i in range(objects)] for one in found
    ]


def test_loads_and_tracks_the_same_bits_every_time(weights: Path, tmp_path: Path):
    model, info = load_model(str(weights), device=CPU, image_size_px=256)
    assert (info.architecture, info.image_size_px) == ("edgetam", 256)
    first = _track(model, tmp_path, 4)
    again = _track(load_model(str(weights), device=CPU, image_size_px=256)[0], tmp_path, 4)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    assert all(mask[0].isfinite().all() and mask[0].min() < mask[0].max() for mask in first)


def test_objects_in_a_batch_equal_one_by_one(weights: Path, tmp_path: Path):
    quick = load_model(str(weights), device=CPU, image_size_px=256, exact=False)[0]
    exact = load_model(str(weights), device=CPU, image_size_px=256)[0]
    both = _track(quick, tmp_path, 4, objects=2)
    single = _track(exact, tmp_path, 4, objects=2)
    for a, b in zip(both, single, strict=True):
        torch.testing.assert_close(torch.stack(a), torch.stack(b), atol=2e-3, rtol=1e-3)


@torch.inference_mode()
def test_weights_scale_the_keys_of_each_memory(weights: Path):
    model = load_model(str(weights), device=CPU, image_size_px=256, exact=False)[0]
    features = model.encode_image(torch.rand(1, 3, 256, 256))
    entries = [
        MemoryEntry(t, torch.randn(1, 64, 1, TOKENS).bfloat16(), torch.randn(1, 256), ONE, ONE)
        for t in range(3)
    ]
    listed = tuple(enumerate(entries))
    plain = Recall(listed, tuple((t + 1, entry) for t, entry in listed), 16)
    first, second = (
        replace(plain, map_weights=maps, pointer_weights=pointers)
        for maps, pointers in (
            ((1.0, 0.6, 1.3), (1.0, 1.0, 1.0)),
            ((0.5, 1.0, 1.0), (2.0, 1.0, 1.0)),
        )
    )
    hooks = []
    for layer in model.net.memory_attention.layers:
        scale = torch.tensor([w for w in first.map_weights for _ in range(TOKENS)] + [1.0] * 12)
        hooks.append(
            layer.cross_attn_image.k_proj.register_forward_pre_hook(
                lambda _, given, scale=scale: given[0] * scale[None, :, None]
            )
        )
    wanted = model.condition(features, [plain])
    for hook in hooks:
        hook.remove()
    together = model.condition(features, [first, second])
    torch.testing.assert_close(together[:1], wanted, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(
        together[1:], model.condition(features, [second]), atol=1e-4, rtol=1e-3
    )
    assert (wanted - model.condition(features, [plain])).abs().max() > 1e-3


@pytest.mark.parametrize("side", [16, 32, 64])
def test_the_perceiver_makes_the_same_number_of_tokens_of_any_map(side: int):
    torch.manual_seed(0)
    perceiver = Perceiver().eval()
    spatial, position = torch.randn(2, 64, side, side), torch.randn(1, 64, side, side)
    tokens = perceiver(spatial, position)
    assert tokens.shape == (2, 64, TOKENS, 1)
    assert perceiver.places(tokens).shape == (1, TOKENS, 64)
    # A local token sees its own square alone.
    spatial[:, :, : side // 16, : side // 16] += 1
    moved = (perceiver(spatial, position) != tokens).any(1)[..., 0]
    assert moved[:, :257].all()
    assert not moved[:, 257:].any()


def test_its_arithmetic_can_be_counted(weights: Path, tmp_path: Path):
    model = load_model(str(weights), device=CPU, image_size_px=256)[0]
    with FlopCounterMode(display=False) as counter:
        _track(model, tmp_path, 2)
    assert counter.get_total_flops() > 1e9


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image_size_px": 512 + 32}, "multiples of 256"),
        ({"exact": False, "pool_memory": 2}, "memories are tokens"),
        ({"exact": False, "compiled": True}, "not for EdgeTAM yet"),
    ],
)
def test_what_it_cannot_do_is_refused(weights: Path, options: dict, words: str):
    with pytest.raises(UsageError) as caught:
        load_model(str(weights), device=CPU, **options)
    assert words in str(caught.value)


def test_without_timm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def absent(name: str, *args, **extra):
        if name.startswith("timm"):
            raise ImportError(name)
        return real(name, *args, **extra)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ModelError, match=r"pip install 'vos\[edgetam\]'"):
        build.RepViT()


@pytest.mark.slow
@pytest.mark.parametrize("size", [256, 512, 1024])
def test_equals_the_authors_code(size: int, tmp_path: Path):
    package = os.environ.get("VOS_EDGETAM")
    if package is None:
        pytest.skip(
            "VOS_EDGETAM names no folder: unpack the wheel of edgetam-dimos 1.0.1 from PyPI "
            "somewhere (installed, it would take the place of sam2)"
        )
    pytest.importorskip("timm")
    weights, out, clip = tmp_path / "weights.pt", tmp_path / "logits.pt", tmp_path / "clip"
    clip.mkdir()
    state = _random_state()
    torch.save({"model": state}, weights)
    count = 10 if size <= 512 else 4
    net = build.build_edgetam()
    net.load_state_dict(state)
    ours = _track(make_ready(net, device=CPU, image_size_px=size), clip, count)
    program = Path(__file__).with_name("edgetam_authors.py")
    arguments = [package, weights, clip, size, out]
    environ = {**os.environ, "PYTHONPATH": os.environ.get("VOS_TIMM", "")}
    subprocess.run([sys.executable, program, *map(str, arguments)], check=True, env=environ)
    theirs = torch.load(out, weights_only=True)
    assert sorted(theirs) == list(range(count))
    for index, (mask,) in enumerate(ours):
        assert torch.equal(mask, theirs[index]), f"frame {index} differs"
