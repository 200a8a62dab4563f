"""The clip generator: reproducible, of the promised shape, with masks that fit the pixels."""

from __future__ import annotations

import math
from random import Random

import pytest
import torch
from torch import Tensor

from vos.errors import UsageError
from vos.synth import __main__ as synth_command
from vos.synth import clips as synthetic
from vos.synth.clips import Clips, contact_sheet, generate_clips
from vos.synth.config import ClipConfig
from vos.synth.effects import compress, defocus
from vos.synth.objects.outlines import ROUND, any_outline, ellipse, flip, polygon, rectangle
from vos.synth.objects.shapes import any_shape
from vos.synth.poses import waves
from vos.synth.raster import sample_atlas, texture_atlas
from vos.synth.scene import Wave
from vos.synth.textures import texture_pool

PLAIN = ClipConfig(
    camera=0, scenery=0, distractors=0, camouflage=0, occluder=0, disappear=0, motion_blur=0,
    defocus=0, compression=0, noise=0, colour_shift=0, texture=0, shading=0, min_area=0.05,
)  # fmt: skip


@pytest.fixture(scope="module")
def clips() -> Clips:
    return generate_clips(12, 8, 64, seed=3)


def test_shapes_and_types(clips: Clips) -> None:
    assert clips.frames.shape == (12, 8, 3, 64, 64)
    assert clips.frames.dtype == torch.uint8
    assert clips.masks.shape == clips.labels.shape == (12, 8, 64, 64)
    assert clips.masks.dtype == torch.bool
    assert clips.labels.dtype == torch.uint8


def test_the_same_seed_gives_the_same_clips_and_another_seed_others() -> None:
    first = generate_clips(8, 6, 32, seed=3)
    synthetic._textures.cache_clear()
    again = generate_clips(8, 6, 32, seed=3)
    assert torch.equal(first.frames, again.frames)
    assert torch.equal(first.masks, again.masks)
    assert torch.equal(first.labels, again.labels)
    other = generate_clips(8, 6, 32, seed=4)
    assert not torch.equal(first.frames, other.frames)
    assert not torch.equal(first.masks, other.masks)


def test_the_target_is_visible_in_every_first_frame(clips: Clips) -> None:
    area = clips.masks[:, 0].float().mean(dim=(1, 2))
    assert area.min() >= ClipConfig().visible_area
    assert area.max() < 0.8


def test_labels_agree_with_masks(clips: Clips) -> None:
    assert torch.equal(clips.labels == 1, clips.masks)
    assert (clips.labels > 1).any()


def test_images_are_clips_of_one_frame() -> None:
    images = generate_clips(6, 1, 48, seed=0)
    assert images.frames.shape == (6, 1, 3, 48, 48)
    assert images.masks.flatten(2).any(dim=2).all()


def test_sizes_that_are_no_multiple_of_eight_work() -> None:
    odd = generate_clips(3, 2, 50, seed=1, config=ClipConfig(compression=1))
    assert odd.frames.shape[-2:] == (50, 50)


def test_targets_disappear_in_about_the_asked_share_of_clips() -> None:
    def gone(share: float) -> float:
        config = ClipConfig(
            disappear=share, occluder=0, distractors=0, target_speed=0.005, camera=0
        )
        masks = generate_clips(24, 10, 32, seed=9, config=config).masks
        area = masks.float().mean(dim=(2, 3))
        return float((area.amin(1) < 0.1 * area[:, 0]).float().mean())

    assert gone(0.0) == 0.0
    assert gone(1.0) > 0.6


def test_clips_move(clips: Clips) -> None:
    change = (clips.frames[:, 0].int() - clips.frames[:, -1].int()).abs().float().mean((1, 2, 3))
    assert (change > 1).float().mean() > 0.8


def test_the_mask_is_where_the_pixels_differ_from_the_backdrop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def flat(scenes: list[object], pool: Tensor, side: int, *_: object) -> Tensor:
        return torch.full((len(scenes), 3, side, side), 1.0)

    def ink(*_: object, **__: object) -> tuple[float, float, float]:
        return (0.1, 0.2, 0.3)

    monkeypatch.setattr(synthetic, "backdrops", flat)
    monkeypatch.setattr("vos.synth.scene.any_colour", ink)
    clips = generate_clips(8, 4, 96, seed=5, config=PLAIN)
    red = clips.frames[:, :, 0].int()
    drawn, bare = red < 90, red > 190
    assert drawn.any()
    assert clips.masks[drawn].all()
    assert not clips.masks[bare].any()
    # What is neither is the soft edge, a small part of the picture.
    assert (drawn | bare).float().mean() > 0.9


def test_the_area_follows_the_config() -> None:
    small = generate_clips(8, 1, 64, 0, config=ClipConfig(min_area=0.02, max_area=0.03))
    large = generate_clips(8, 1, 64, 0, config=ClipConfig(min_area=0.2, max_area=0.3))
    assert large.masks.float().mean() > 4 * small.masks.float().mean()


@pytest.mark.parametrize(("batch", "frames", "size"), [(0, 1, 32), (1, 0, 32), (1, 1, 8)])
def test_bad_sizes_are_refused(batch: int, frames: int, size: int) -> None:
    with pytest.raises(UsageError, match="at least"):
        generate_clips(batch, frames, size, 0)


def test_an_impossible_config_is_refused() -> None:
    with pytest.raises(UsageError, match="visible_area"):
        generate_clips(1, 1, 16, 0, config=ClipConfig(visible_area=1.5))


def test_a_wave_is_the_same_in_python_and_torch_and_starts_at_its_start() -> None:
    wave = Wave(0.4, 0.01, ((0.2, 0.3, 1.0), (0.1, 0.7, 2.0)), (0.5, 6.0, 3.0))
    times = torch.arange(12.0)[None]
    table = waves(torch.tensor([[wave.row()]]), times)[0, 0]
    expected = torch.tensor([wave.at(t) for t in range(12)])
    torch.testing.assert_close(table, expected)
    assert wave.at(0) == pytest.approx(0.4)


def test_textures_are_centred_periodic_and_lively() -> None:
    pool = texture_pool(12, 48, torch.Generator().manual_seed(1))
    assert pool.shape == (12, 3, 48, 48)
    assert pool.mean(dim=(2, 3)).abs().max() < 0.35
    assert pool.std(dim=(1, 2, 3)).min() > 0.4
    noise = pool[0, 0]
    seam = (noise[:, 0] - noise[:, -1]).abs().mean()
    inside = (noise[:, 1:] - noise[:, :-1]).abs().mean()
    assert seam < 2 * inside


def test_the_atlas_gives_texels_back_and_repeats() -> None:
    pool = torch.randn(3, 3, 10, 10, generator=torch.Generator().manual_seed(0))
    atlas = texture_atlas(pool)
    index = torch.tensor([0, 1, 2, 2])
    u, v = torch.tensor([0.0, 3.0, 9.0, 19.0]), torch.tensor([0.0, 7.0, 4.0, -6.0])
    zero = torch.zeros(4)
    texels = sample_atlas(atlas, index, u, v, zero, zero)
    expected = torch.stack(
        [pool[i, :, int(y) % 10, int(x) % 10] for i, x, y in zip(index, u, v, strict=True)], 1
    )
    torch.testing.assert_close(texels, expected, atol=1e-4, rtol=0)
    half = sample_atlas(atlas, index[:1], torch.tensor([9.5]), zero[:1], zero[:1], zero[:1])[:, 0]
    torch.testing.assert_close(half, (pool[0, :, 0, 9] + pool[0, :, 0, 0]) / 2, atol=1e-4, rtol=0)


def test_outlines_are_positive_and_flip_back() -> None:
    rng = Random(0)
    for _ in range(40):
        outline = any_outline(rng)
        assert outline.shape == ROUND.shape
        assert outline.min() > 0
        assert outline.max() < 4
        twice = flip(flip(outline))
        assert twice is not None
        assert (twice == outline).all()
    assert ellipse(0.5)[16] == pytest.approx(0.5)
    assert rectangle(0.5, 20.0)[0] == pytest.approx(1.0)
    assert polygon(rng).max() <= 1.0


def test_parts_follow_their_parents() -> None:
    rng = Random(2)
    for _ in range(60):
        shape, _ = any_shape(rng, thin=0.2)
        for i, part in enumerate(shape):
            assert -1 <= part.parent < i
            assert all(math.isfinite(v) for v in (*part.offset, part.angle, *part.radius))


def test_compression_and_defocus_keep_flat_pictures_and_change_others() -> None:
    flat = torch.full((2, 3, 16, 16), 0.5)
    torch.testing.assert_close(defocus(flat, 1.2), flat)
    torch.testing.assert_close(compress(flat, 0.02), flat, atol=0.01, rtol=0)
    noisy = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert defocus(noisy, 1.2).std() < 0.5 * noisy.std()
    error = (compress(noisy, 0.1) - noisy).abs().mean()
    assert 0.005 < error < 0.2
    torch.testing.assert_close(compress(noisy, 1e-6), noisy, atol=1e-4, rtol=0)


def test_the_contact_sheet_outlines_the_target(clips: Clips) -> None:
    sheet = contact_sheet(clips, columns=3)
    assert sheet.shape == (12 * 64, 3 * 64, 3)
    red = (sheet == torch.tensor([255, 0, 0], dtype=torch.uint8)).all(dim=2)
    assert red[:, :64].any()
    assert not (red[:64, :64] & clips.masks[0, 0]).any()


def test_the_command_writes_a_picture(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    out = Path(str(tmp_path)) / "sheet.png"
    arguments = ["--clips", "2", "--frames", "2", "--size", "32", "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["synthetic", *arguments])
    synth_command.main()
    assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.needs_cuda
def test_clips_on_a_gpu_are_reproducible() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    first = generate_clips(8, 4, 64, seed=1, device="cuda")
    again = generate_clips(8, 4, 64, seed=1, device="cuda")
    assert first.frames.is_cuda
    assert torch.equal(first.frames, again.frames)
    assert torch.equal(first.masks, again.masks)
