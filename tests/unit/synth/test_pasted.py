"""Clips pasted from images: exact, repeatable, of whatever images there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vos.errors import UsageError
from vos.synth.pasted import PastedConfig, generate_pasted, has_images
from vos.synth.pasted_sources import is_thing
from vos.train.nano.clip_feed import ClipShape
from vos.train.nano.stages import DRAWN, make_stages, mix_with_pasted


@pytest.fixture
def config(tmp_path: Path) -> PastedConfig:
    rng = np.random.default_rng(1)
    (tmp_path / "photographs").mkdir()
    (tmp_path / "cutouts").mkdir()
    for index in range(2):
        photograph = rng.integers(0, 120, (90, 120, 3), dtype=np.uint8)
        Image.fromarray(photograph).save(tmp_path / "photographs" / f"{index}.png")
        cutout = np.zeros((64, 64, 4), np.uint8)
        cutout[10:54, 10:54] = (255, 255, 40 * index, 255)
        Image.fromarray(cutout).save(tmp_path / "cutouts" / f"{index}.png")
    return PastedConfig(str(tmp_path))


def test_shapes_labels_and_repeatability(config):
    clips = generate_pasted(2, 3, 64, 5, config)
    assert clips.frames.shape == (2, 3, 3, 64, 64)
    assert clips.frames.dtype == torch.uint8
    assert clips.labels.shape == clips.masks.shape == (2, 3, 64, 64)
    assert torch.equal(clips.masks, clips.labels == 1)
    assert int(clips.labels.max()) <= config.objects[1]
    assert torch.equal(clips.frames, generate_pasted(2, 3, 64, 5, config).frames)
    assert not torch.equal(clips.frames, generate_pasted(2, 3, 64, 6, config).frames)


def test_the_target_is_seen_first(config):
    clips = generate_pasted(8, 1, 64, 7, config)
    assert (clips.masks[:, 0].float().mean((1, 2)) >= 0.002).all()


def test_a_mask_covers_what_was_pasted(config):
    """Bright cut-outs on dark photographs, all in their own colours."""
    bright = PastedConfig(config.folder, own_paint=1.0, shadow=0.0, blurred=0.0, objects=(1, 1))
    clips = generate_pasted(4, 2, 96, 3, bright)
    red = clips.frames[:, :, 0].float()
    inside = red[clips.masks].median()
    outside = red[~clips.masks].median()
    assert inside > outside + 60


def test_the_feed_makes_them(config):
    shape = ClipShape(1, 2, 32, config)
    assert torch.equal(shape.generate(3).frames, generate_pasted(1, 2, 32, 3, config).frames)


def test_missing_images_are_named(tmp_path):
    nowhere = PastedConfig(str(tmp_path / "none"))
    assert not has_images(nowhere)
    with pytest.raises(UsageError, match="pasted_sources"):
        generate_pasted(1, 1, 32, 1, nowhere)


def test_without_images_training_is_of_drawn_clips(config):
    assert all(stage.work == DRAWN for stage in make_stages(None)[1:])
    pasted = [work.clips == config for work in mix_with_pasted(config)]
    assert 0.4 <= sum(pasted) / len(pasted) <= 0.6


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1f436", True),
        ("1f46e-200d-2642-fe0f", True),
        ("1f1e9-1f1ea", False),
        ("1f44d-1f3fd", False),
        ("23-fe0f-20e3", False),
        ("1f550", False),
    ],
)
def test_cutouts_are_things(name, expected):
    assert is_thing(name) == expected
