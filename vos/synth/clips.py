"""Procedural video clips with exact masks, made on the device that trains on them.

clips = generate_clips(batch=16, frames=8, size=128, seed=1)

A clip has a textured backdrop under a moving camera, scenery, a target object of moving parts,
look-alike distractors and things passing in front; see `scene` for what is in a clip, `shapes` for
the objects and `raster` for how they are drawn. `python -m vos.synth --out sheet.png` draws a
contact sheet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from random import Random

import torch
from torch import Tensor
from torch.nn import functional as F

from vos.errors import UsageError
from vos.synth.clip_script import any_scene
from vos.synth.config import RICH, ClipConfig
from vos.synth.effects import camera_effects
from vos.synth.objects.parts import Part
from vos.synth.poses import View, camera_view
from vos.synth.raster import paint, texture_atlas
from vos.synth.scene import Body, Camera, Paint, Scene, Wave
from vos.synth.textures import backdrops, natural_pool, texture_pool

__all__ = ["RICH", "ClipConfig", "Clips", "generate_clips"]

_POOL = 16

_SEEDS_PER_POOL = 64
"""Consecutive seeds share a pool of textures, which costs as much as a batch of clips to make;
clips roll, mix and tint it.
"""

_POOLS_KEPT = 8
"""Training asks in turns for several sizes and two configs."""

_ATTEMPTS = 12

_NOTHING = Body(
    [Part(-1, (0.0, 0.0), 0.0, 0.0, (0.0, 0.0), 0)],
    [Paint((0.0, 0.0, 0.0), 0, 0.0, 1.0, (0.0, 0.0), 0.0)],
    0, Wave(), Wave(), Wave(), Wave(),
)  # fmt: skip
"""Stands where a clip has no clutter."""


@dataclass(frozen=True, slots=True)
class Clips:
    """A batch of clips.

    frames: uint8 (b, t, 3, h, w), RGB.
    masks: bool (b, t, h, w), the visible part of the target.
    labels: uint8 (b, t, h, w), 0 backdrop and scenery, 1 target, 2 and up other objects.
    """

    frames: Tensor
    masks: Tensor
    labels: Tensor


@torch.no_grad()
def generate_clips(
    batch: int,
    frames: int,
    size: int,
    seed: int,
    device: torch.device | str = "cpu",
    config: ClipConfig | None = None,
) -> Clips:
    """Make `batch` clips of `frames` frames of `size` x `size` pixels.

    The same arguments on the same device give the same clips. The target covers at least
    `config.visible_area` of every clip's first frame.

    Raises UsageError for a batch, frame count or size that is too small, or where no such target
    can be drawn.
    """
    if batch < 1 or frames < 1 or size < 16:
        raise UsageError(
            f"batch {batch}, frames {frames}, size {size}: "
            "need at least 1, 1 and 16; ask for larger clips"
        )
    config = config or ClipConfig()
    device = torch.device(device)
    clips = _attempt(batch, frames, size, seed, device, config, 0)
    for attempt in range(1, _ATTEMPTS):
        seen = clips.masks[:, 0].float().mean(dim=(1, 2))
        failed = (seen < config.visible_area).nonzero()[:, 0]
        if len(failed) == 0:
            return clips
        again = _attempt(len(failed), frames, size, seed, device, config, attempt)
        clips.frames[failed], clips.masks[failed] = again.frames, again.masks
        clips.labels[failed] = again.labels
    raise UsageError(
        f"{config.visible_area = }: no target of that visible area "
        f"in {_ATTEMPTS} attempts; raise min_area or lower visible_area"
    )


def _attempt(
    batch: int,
    frames: int,
    size: int,
    seed: int,
    device: torch.device,
    config: ClipConfig,
    attempt: int,
) -> Clips:
    """Make a batch of clips, whether or not the target is visible in the first frame."""

    def write(rng: Random, pool: int) -> list[Scene]:
        return [any_scene(rng, config, frames, pool) for _ in range(batch)]

    own = seed * _ATTEMPTS + attempt
    return draw(write, frames, size, own, device, config, pool=seed // _SEEDS_PER_POOL)


@torch.no_grad()
def draw(
    write: Callable[[Random, int], list[Scene]],
    frames: int,
    size: int,
    seed: int,
    device: torch.device,
    config: ClipConfig,
    *,
    pool: int,
) -> Clips:
    """Draw a batch of clips.

    write: makes their scenes, given the number of textures to choose from. pool: seed of these.
    """
    rng = Random(seed)
    generator = torch.Generator(device).manual_seed(seed % (1 << 62))
    planes, atlas = _textures(pool, size * 3 // 2, device, config.natural)
    scenes = write(rng, len(planes))
    batch = len(scenes)
    side = size * 3 // 2 if frames > 1 else size * 9 // 8
    backdrop = backdrops(scenes, planes, side, generator, config.texture)
    if config.clutter:
        backdrop = _paint_clutter(scenes, backdrop, atlas)
    canvas = torch.empty(4, batch, frames, size, size, device=device)
    labels = torch.empty(batch, frames, size, size, dtype=torch.uint8, device=device)
    time = torch.arange(frames, device=device, dtype=torch.float32)
    for blur in (False, True):
        # A still image is drawn once: a second pass would cost more than its blur is worth.
        chosen = [i for i, scene in enumerate(scenes) if (scene.blur and frames > 1) == blur]
        if not chosen:
            continue
        steps = config.blur_steps if blur else 1
        shutter = (
            torch.linspace(-0.3, 0.3, steps, device=device)
            if blur
            else torch.zeros(1, device=device)
        )
        pace = torch.tensor([scenes[i].pace for i in chosen], device=device)[:, None, None]
        times = (time[:, None] * pace + shutter).flatten(1)
        image, label = _render([scenes[i] for i in chosen], backdrop[chosen], times, size, atlas)
        index = torch.tensor(chosen, device=device)
        canvas[:, index] = image.unflatten(2, (frames, steps)).mean(dim=3) if blur else image
        labels[index] = label.unflatten(1, (frames, steps))[:, :, steps // 2]
    rgb = canvas[:3].permute(1, 2, 0, 3, 4).contiguous()
    masks = canvas[3] > 0.5
    labels = torch.where(masks, 1, labels.masked_fill(labels == 1, 0))
    rgb = camera_effects(rgb, rng, generator, config)
    return Clips((rgb * 255 + 0.5).clamp(0, 255).to(torch.uint8), masks, labels)


@lru_cache(maxsize=_POOLS_KEPT)
def _textures(seed: int, side: int, device: torch.device, natural: int) -> tuple[Tensor, Tensor]:
    """Make a pool of textures, as planes (m, 3, side, side) and as an atlas."""
    generator = torch.Generator(device).manual_seed(seed % (1 << 62))
    planes = texture_pool(_POOL, side, generator)
    if natural:
        planes = torch.cat([planes, natural_pool(natural, side, generator)])
    return planes, texture_atlas(planes)


def _paint_clutter(scenes: list[Scene], backdrop: Tensor, atlas: Tensor) -> Tensor:
    """Paint what stands on the backdrops (b, 3, s, s), once for the whole clip."""
    side, device = backdrop.shape[2], backdrop.device
    still = Camera(Wave(), Wave(), Wave(), Wave())
    sets = [Scene(scene.clutter or [_NOTHING], still, [], False, 0) for scene in scenes]
    times = torch.zeros(len(sets), 1, device=device)
    canvas = torch.zeros(4, len(sets), 1, side, side, device=device)
    canvas[:3, :, 0] = backdrop.transpose(0, 1)
    paint(canvas, sets, times, camera_view(sets, times), atlas)
    return canvas[:3, :, 0].transpose(0, 1).contiguous()


def _render(
    scenes: list[Scene], backdrop: Tensor, times: Tensor, size: int, atlas: Tensor
) -> tuple[Tensor, Tensor]:
    """Draw frames (4, b, t, size, size) and labels (b, t, size, size) of scenes at times (b, t)."""
    view = camera_view(scenes, times)
    parallax = torch.tensor([scene.parallax for scene in scenes], device=backdrop.device)
    canvas = _film(backdrop, view, size, parallax)
    return canvas, paint(canvas, scenes, times, view, atlas)


def _film(backdrop: Tensor, view: View, size: int, parallax: Tensor) -> Tensor:
    """Draw the backdrop (b, 3, s, s) as the camera sees it: (4, b, t, size, size).

    The fourth channel is zero.

    parallax: (b,), how much faster than its middle the lower edge pans, as near ground does.
    """
    batch, steps = view.x.shape
    share = size / backdrop.shape[2]
    axis = (torch.arange(size, device=backdrop.device) + 0.5) / size - 0.5
    cos, sin = torch.cos(view.roll) / view.zoom, torch.sin(view.roll) / view.zoom
    cos, sin = cos[..., None, None], sin[..., None, None]
    pan = view.x[..., None, None] * (1 + 2 * parallax.view(-1, 1, 1, 1) * axis[:, None])
    dx = axis[None, None, None, :] - pan
    dy = axis[None, None, :, None] - view.y[..., None, None]
    grid = torch.stack([cos * dx + sin * dy, cos * dy - sin * dx], dim=-1) * (2 * share)
    filmed = F.grid_sample(
        backdrop,
        grid.view(batch, steps * size, size, 2),
        padding_mode="reflection",
        align_corners=False,
    )
    canvas = torch.zeros(4, batch, steps, size, size, device=backdrop.device)
    canvas[:3] = filmed.view(batch, 3, steps, size, size).transpose(0, 1)
    return canvas


def contact_sheet(clips: Clips, columns: int) -> Tensor:
    """Lay out clips in rows and evenly spaced frames in columns, mask borders in red.

    Returns uint8 (h, w, 3).
    """
    count = clips.frames.shape[1]
    chosen = [round(i * (count - 1) / max(columns - 1, 1)) for i in range(min(columns, count))]
    frames = clips.frames[:, chosen].permute(0, 1, 3, 4, 2).clone()
    masks = clips.masks[:, chosen].float()
    wide = F.max_pool2d(masks, 3, 1, 1) > 0
    frames[wide & (masks == 0)] = torch.tensor([255, 0, 0], dtype=torch.uint8, device=frames.device)
    batch, steps, height, width, _ = frames.shape
    return frames.permute(0, 2, 1, 3, 4).reshape(batch * height, steps * width, 3).cpu()
