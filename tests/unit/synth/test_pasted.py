"""Clips pasted from images: exact, repeatable, of whatever images there are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image

from vos.errors import UsageError
from vos.synth.clutter import add_thin_parts, draw_bars
from vos.synth.pasted import PastedConfig, generate_pasted, has_images
from vos.synth.pasted_sources.cutouts import is_thing
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


def test_a_silhouette_has_the_colours_of_a_photograph(config):
    """White silhouettes, dark photographs: nothing is white but where cut-outs are."""
    folder = Path(config.folder)
    (folder / "silhouettes").mkdir()
    shape = np.zeros((64, 64, 4), np.uint8)
    shape[10:54, 10:54] = 255
    Image.fromarray(shape).save(folder / "silhouettes" / "square.png")
    plain = replace(config, shadow=0.0, blurred=0.0, objects=(1, 1), tied=0.0, barred=0.0)
    outlined = generate_pasted(4, 1, 96, 3, replace(plain, outlined=1.0, own_paint=1.0))
    assert outlined.masks.any()
    assert outlined.frames[:, :, 0][outlined.masks].float().median() < 160


def test_a_panorama_is_the_backdrop_and_turns(config):
    folder = Path(config.folder)
    (folder / "panoramas").mkdir()
    columns = np.zeros((64, 128, 3), np.uint8)
    columns[:, ::8] = (0, 0, 255)
    Image.fromarray(columns).save(folder / "panoramas" / "pillars.png")
    turning = replace(config, surrounded=1.0, speed=0.2, objects=(1, 1), blurred=0.0)
    clips = generate_pasted(4, 4, 64, 3, turning)
    blue, red = (clips.frames[:, :, one].float() for one in (2, 0))
    outside = clips.labels == 0
    assert (blue - red)[outside].mean() > 10
    assert (blue[:, 0] - blue[:, -1]).abs().mean() > 5


@pytest.mark.parametrize("seed", range(4))
def test_clutter_hides_the_target_but_is_no_object(config, seed):
    plain = replace(config, objects=(1, 1), backed=1.0, blurred=0.0, tied=0.0, barred=0.0)
    bars = generate_pasted(6, 1, 96, seed, replace(plain, barred=1.0))
    assert set(bars.labels.unique().tolist()) == {0, 1}
    backed = generate_pasted(6, 1, 96, seed, replace(plain, objects=(2, 2)))
    areas = [(backed.labels == label).sum() for label in (1, 2)]
    assert areas[1] > 0.2 * areas[0], "what is behind reaches out on all sides"


def test_thin_parts_stretch_the_box_and_belong_to_the_object():
    alpha = torch.zeros(1, 96, 96)
    alpha[:, 24:72, 24:72] = 1
    for seed in range(6):
        paint, tied = add_thin_parts(
            Random(seed), 0.5 * alpha.expand(3, -1, -1), alpha, own_paint=True
        )
        assert paint.shape == (3, 96, 96)
        assert 0 <= float(tied.min()) <= float(tied.max()) <= 1 + 1e-6
        assert (paint <= tied + 1e-6).all(), "nothing is painted outside"
        share = [
            float(a.mean() / (a[0].amax(0).mean() * a[0].amax(1).mean())) for a in (alpha, tied)
        ]
        assert share[1] < 0.7 * share[0]


def test_bars_reach_across():
    for seed in range(6):
        alpha = draw_bars(Random(seed), 64)
        assert alpha.shape == (1, 64, 64)
        assert 0.01 < float(alpha.mean()) < 0.8
        assert float(alpha[0].amax(1).min()) > 0.5, "something in every row"


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
