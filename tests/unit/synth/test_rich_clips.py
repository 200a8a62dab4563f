"""What `RICH` adds to the clips, one factor at a time, with labels that stay exact."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
import torch
from torch import Tensor

from vos.synth import clips as synthetic
from vos.synth.clip_script import any_scene
from vos.synth.clips import Clips, generate_clips
from vos.synth.config import RICH, ClipConfig
from vos.synth.effects import halve_chroma
from vos.synth.objects.parts import Part, extent
from vos.synth.poses import View
from vos.synth.textures import natural_pool

BARE = ClipConfig(
    camera=0, scenery=0, distractors=0, camouflage=0, occluder=0, disappear=0, motion_blur=0,
    defocus=0, compression=0, noise=0, colour_shift=0, min_area=0.02, max_area=0.1,
    target_speed=0.005,
)  # fmt: skip


def bare(**fields: object) -> ClipConfig:
    return replace(BARE, **fields)  # pyright: ignore[reportArgumentType]


def drawn(frames: int = 4, seed: int = 3, **fields: object) -> Clips:
    return generate_clips(10, frames, 64, seed, config=bare(**fields))


def singly(**fields: object) -> Clips:
    """Ten clips drawn one by one, so that one that draws more numbers leaves the others alone."""
    made = [generate_clips(1, 4, 64, 3 + i, config=bare(**fields)) for i in range(10)]
    return Clips(
        torch.cat([c.frames for c in made]),
        torch.cat([c.masks for c in made]),
        torch.cat([c.labels for c in made]),
    )


def area(clips: Clips) -> Tensor:
    return clips.masks.float().mean(dim=(2, 3))


@pytest.fixture(scope="module")
def rich() -> Clips:
    return generate_clips(16, 8, 64, seed=5, config=RICH)


@pytest.fixture(scope="module")
def plain() -> Clips:
    return singly()


def test_rich_clips_are_reproducible() -> None:
    first = generate_clips(6, 6, 32, seed=5, config=RICH)
    synthetic._textures.cache_clear()
    again = generate_clips(6, 6, 32, seed=5, config=RICH)
    assert torch.equal(first.frames, again.frames)
    assert torch.equal(first.labels, again.labels)


def test_rich_labels_are_the_masks_and_first_frames_show_the_target(rich: Clips) -> None:
    assert torch.equal(rich.labels == 1, rich.masks)
    assert area(rich)[:, 0].min() >= RICH.visible_area
    assert rich.frames.float().std(dim=(1, 2, 3, 4)).min() > 5


def test_every_default_adds_nothing() -> None:
    scene = any_scene(Random(1), ClipConfig(), 8, 16)
    assert scene.clutter == []
    assert (scene.pace, scene.parallax) == (1.0, 0.0)
    assert all(b.opacity == 1 and b.turning == (0.0, 0.0) for b in scene.bodies)
    assert all(p.other is None and p.slide == (0.0, 0.0) for b in scene.bodies for p in b.paints)


def test_a_shadow_darkens_and_hides_nothing(plain: Clips) -> None:
    shaded = singly(shadow=1.0)
    assert torch.equal(shaded.labels, plain.labels)
    change = shaded.frames.int() - plain.frames.int()
    assert change.max() <= 1
    assert (change < -10).any(2).flatten(1).any(1).float().mean() > 0.3
    # Below its object, which keeps its colours but at the soft seams of its parts.
    inside = torch.nn.functional.max_pool2d((~plain.masks).float(), 3, 1, 1) == 0
    assert (change.abs().amax(2)[inside] > 8).float().mean() < 0.02


def test_clutter_stands_behind_and_has_no_label(plain: Clips) -> None:
    full = singly(clutter=12)
    assert torch.equal(full.labels, plain.labels)
    change = (full.frames.int() - plain.frames.int()).abs().amax(2)
    assert change.max() > 30
    inside = torch.nn.functional.max_pool2d((~plain.masks).float(), 3, 1, 1) == 0
    assert (change[inside] <= 1).all()


def test_a_turning_object_changes_its_colours_and_not_its_outline(plain: Clips) -> None:
    turned = singly(turning=1.0)
    assert torch.equal(turned.labels, plain.labels)
    change = (turned.frames.int() - plain.frames.int()).abs().amax(2)
    assert change[turned.masks].float().mean() > 3
    far = torch.nn.functional.max_pool2d(plain.masks.float(), 5, 1, 2) == 0
    # What is left are parts thinner than a pixel, which no mask has.
    assert (change[far] > 1).float().mean() < 0.01


@pytest.mark.parametrize("seed", [3, 11])
def test_returning_targets_are_gone_and_come_back(seed: int) -> None:
    seen = area(drawn(16, seed, disappear=1.0, returns=1.0))
    gone, back = seen.amin(1) == 0, seen[:, -2:].amax(1) > 0.4 * seen[:, 0]
    assert gone.float().mean() >= 0.5
    assert back.float().mean() >= 0.8


def test_the_pace_shows_more_motion_in_as_many_frames() -> None:
    def motion(clips: Clips) -> float:
        return float((clips.masks[:, 1:] ^ clips.masks[:, :-1]).float().mean())

    slow, fast = drawn(target_speed=0.02), drawn(target_speed=0.02, pace=4.0)
    assert motion(fast) > 1.3 * motion(slow)


def test_approaching_targets_change_their_size() -> None:
    seen = area(drawn(8, approach=1.0, small=1.0))
    ratio = (seen[:, -1] / seen[:, 0]).log().abs()
    assert (ratio > 0.5).float().mean() >= 0.6
    assert seen[:, 0].median() < 0.03


def test_a_crowd_has_at_least_three_of_the_targets_kind() -> None:
    labels = drawn(2, crowd=1.0).labels
    kinds = [len(clip[clip >= 20].unique()) for clip in labels]
    assert sum(k >= 2 for k in kinds) >= 6


def test_a_veil_hides_parts_under_a_label_of_its_own() -> None:
    clips = drawn(2, veil=1.0)
    veiled = (clips.labels >= 50).flatten(1).any(1)
    assert veiled.float().mean() >= 0.8


def test_parallax_moves_the_lower_edge_more_than_the_middle() -> None:
    ramp = torch.linspace(0, 1, 96).expand(1, 3, 96, 96).contiguous()
    zero, one = torch.zeros(1, 1), torch.ones(1, 1)
    moved = View(torch.full((1, 1), 0.1), zero, one, zero)
    film = synthetic._film(ramp, moved, 64, torch.tensor([0.5]))[0, 0, 0]
    still = synthetic._film(ramp, View(zero, zero, one, zero), 64, torch.tensor([0.5]))[0, 0, 0]
    shift = (still - film)[:, 32]
    assert shift[-1] == pytest.approx(1.5 * float(shift[32]), rel=0.05)
    assert shift[0] == pytest.approx(0.5 * float(shift[32]), rel=0.05)


def test_halved_chroma_keeps_brightness_and_flat_colours() -> None:
    flat = torch.rand(2, 3, 1, 1, generator=torch.Generator().manual_seed(0)).expand(2, 3, 8, 8)
    torch.testing.assert_close(halve_chroma(flat), flat)
    noisy = 0.4 + 0.2 * torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    halved = halve_chroma(noisy)
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    torch.testing.assert_close((halved * weights).sum(1), (noisy * weights).sum(1))
    assert (halved - noisy).abs().max() > 0.01


def test_natural_textures_are_centred_periodic_and_lively() -> None:
    pool = natural_pool(16, 48, torch.Generator().manual_seed(1))
    assert pool.shape == (16, 3, 48, 48)
    assert pool.isfinite().all()
    assert pool.mean(dim=(2, 3)).abs().max() < 0.35
    assert pool.std(dim=(1, 2, 3)).min() > 0.4
    for axis in (2, 3):
        wrapped = pool.roll(1, axis)
        seam = (pool - wrapped).select(axis, 0).abs().mean()
        inside = (pool - wrapped).narrow(axis, 1, 47).abs().mean()
        assert seam < 1.5 * inside


def test_the_extent_of_a_shape_holds_its_parts() -> None:
    arm = [
        Part(-1, (1.0, 0.0), 0.0, 2.0, (0.1, 0.1), 0),
        Part(0, (2.0, 0.0), 1.5707963, 1.0, (0.2, 0.2), 0),
    ]
    assert extent(arm) == pytest.approx((0.9, -0.2, 3.2, 1.2), abs=1e-6)
