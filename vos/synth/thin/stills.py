"""Procedural stills of thin structures with labels at twice the image's size.

stills = generate_fine(batch=8, size=256, seed=1)

A lattice, wire, hair, comb, plant, perforated plate or toothed edge stands before a frame of
`vos.synth.clips`, beside a look-alike, behind a twig or a bar; a share of stills has an ordinary
object instead. Everything is drawn at a multiple of the label's side with antialiased borders and
averaged down. `python -m vos.synth.thin --out sheet.png` draws a contact sheet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from vos.errors import UsageError
from vos.synth.clips import generate_clips
from vos.synth.config import RICH
from vos.synth.effects import camera_effects, defocus
from vos.synth.scene import ClipConfig, Colour, any_colour, near_colour
from vos.synth.textures import texture_pool
from vos.synth.thin.shapes import SHAPES
from vos.synth.thin.strokes import Painted, Stroke, cut_up, paint_pieces

_POOL = 12
_SEEDS_PER_POOL = 64
_ATTEMPTS = 8

_CLEAN, _CLEAN_RICH = (
    replace(clips, defocus=0, noise=0, compression=0, colour_shift=0)
    for clips in (ClipConfig(), RICH)
)

_CAMERA = ClipConfig(defocus=0.08)
Placed = tuple[int, Stroke, np.ndarray, float]


@dataclass(frozen=True, slots=True)
class FineConfig:
    """What is in the stills; shares and probabilities in [0, 1].

    oversample: rendered side over the image's, 2 or 4; the label's is 2.
    ordinary: share of stills whose target is a solid object of `vos.synth.clips`.
    rich: share of those that are `RICH`.
    twin: share with a look-alike behind.
    front: share with a thin thing across the target.
    camouflage: share whose target takes a colour of its backdrop.
    bokeh: share whose backdrop is out of focus.
    min_area: smallest area of the visible target, a fraction of the frame.
    max_area: largest such area.
    """

    oversample: int = 2
    ordinary: float = 0.2
    rich: float = 0.0
    twin: float = 0.3
    front: float = 0.2
    camouflage: float = 0.25
    bokeh: float = 0.3
    min_area: float = 0.004
    max_area: float = 0.7

    def __post_init__(self) -> None:
        if self.oversample not in (2, 4):
            raise ValueError(f"oversample {self.oversample}: not one of 2, 4")


@dataclass(frozen=True, slots=True)
class Stills:
    """A batch of stills.

    images: RGB.
    labels: the target's visible pixels at twice the side.
    """

    images: UInt8[Tensor, "b 3 s s"]
    labels: Bool[Tensor, "b s2 s2"]


@torch.no_grad()
def generate_fine(
    batch: int,
    size: int,
    seed: int,
    device: torch.device | str = "cpu",
    config: FineConfig | None = None,
    shapes: tuple[str, ...] = tuple(SHAPES),
) -> Stills:
    """Make `batch` stills of `size` x `size` pixels.

    The same arguments on the same device give the same stills.

    shapes: names in SHAPES to draw from.

    Raises UsageError for a batch or size that is too small, or where no target can be seen.
    """
    if batch < 1 or size < 32:
        raise UsageError(
            f"batch {batch}, size {size}: need at least 1 and 32; ask for larger stills"
        )
    config, device = config or FineConfig(), torch.device(device)
    rng = Random(seed)
    ordinary = [i for i in range(batch) if rng.random() < config.ordinary]
    thin = [i for i in range(batch) if i not in ordinary]
    images = torch.empty(batch, 3, size, size, device=device)
    labels = torch.empty(batch, 2 * size, 2 * size, dtype=torch.bool, device=device)
    rich = round(config.rich * len(ordinary))
    for some, clips in ((ordinary[:rich], _CLEAN_RICH), (ordinary[rich:], _CLEAN)):
        if some:
            images[some], labels[some] = _ordinary(len(some), size, seed, device, clips)
    waiting = thin
    for attempt in range(_ATTEMPTS):
        if not waiting:
            break
        own = seed * _ATTEMPTS + attempt
        images[waiting], labels[waiting] = _thin(len(waiting), size, own, device, config, shapes)
        area = labels[waiting].float().mean((1, 2)).tolist()
        waiting = [
            i
            for i, a in zip(waiting, area, strict=True)
            if not config.min_area <= a <= config.max_area
        ]
    if waiting:
        raise UsageError(
            f"{config.min_area = }, {config.max_area = }: no target of such a visible area in "
            f"{_ATTEMPTS} attempts; widen the range"
        )
    generator = torch.Generator(device).manual_seed(seed % (1 << 62))
    seen = camera_effects(images[:, None], rng, generator, _CAMERA)[:, 0]
    return Stills((seen * 255 + 0.5).clamp(0, 255).to(torch.uint8), labels)


def _ordinary(
    count: int, size: int, seed: int, device: torch.device, config: ClipConfig
) -> tuple[Tensor, Tensor]:
    clips = generate_clips(count, 1, 2 * size, seed, device, config)
    return F.avg_pool2d(clips.frames[:, 0].float() / 255, 2), clips.masks[:, 0]


def _thin(
    count: int,
    size: int,
    seed: int,
    device: torch.device,
    config: FineConfig,
    shapes: tuple[str, ...],
) -> tuple[Tensor, Tensor]:
    """Draw images (n, 3, size, size) in [0, 1] and labels, whatever their target's area."""
    rng, draw = Random(seed), np.random.default_rng(seed % (1 << 62))
    generator = torch.Generator(device).manual_seed(seed % (1 << 62))
    side = size * config.oversample
    back = generate_clips(count, 1, size, seed, device, _CLEAN).frames[:, 0].float() / 255
    for image in back:
        if rng.random() < config.bokeh:
            image.copy_(defocus(image[None], rng.uniform(0.01, 0.05) * size)[0])
    layers: list[list[Placed]] = [[], [], []]
    for i in range(count):
        name = rng.choice(shapes)
        strokes, grow = SHAPES[name](draw), rng.choice((1.0, 1.0, 1.0, 1.6, 2.5))
        layers[1] += _place(i, strokes, draw, side, size=(0.28, 0.62), grow=grow)
        if rng.random() < config.twin:
            other = name if rng.random() < 0.6 else rng.choice(shapes)
            layers[0] += _place(i, SHAPES[other](draw), draw, side, size=(0.15, 0.45), grow=grow)
        if rng.random() < config.front:
            across = SHAPES[rng.choice(("wires", "tree", "tangle", "frame"))](draw)
            layers[2] += _place(i, across, draw, side, size=(0.2, 0.6), grow=1.0)
    rgb = torch.zeros(count, 3, side, side, device=device)
    opaque = torch.zeros(count, 1, side, side, device=device)
    visible = torch.zeros(count, 1, side, side, device=device)
    pool = _pool(seed // (_SEEDS_PER_POOL * _ATTEMPTS), size, device)
    means = F.adaptive_avg_pool2d(back, 3).flatten(2).cpu()
    for k, placed in enumerate(layers):
        if not placed:
            continue
        cover, colour = _layer(placed, count, side, size, rng, generator, pool, means, config)
        rgb = torch.lerp(rgb, colour, cover)
        opaque = torch.lerp(opaque, torch.ones_like(cover), cover)
        visible = visible * (1 - cover) if k != 1 else cover
    small = F.avg_pool2d(torch.cat([rgb, opaque], 1), config.oversample)
    image = back * (1 - small[:, 3:]) + small[:, :3]
    half = config.oversample // 2
    return image, F.avg_pool2d(visible, half)[:, 0] > 0.5


def _place(
    image: int,
    strokes: list[Stroke],
    draw: np.random.Generator,
    side: int,
    *,
    size: tuple[float, float],
    grow: float,
) -> list[Placed]:
    """Put a drawing somewhere: turned, stretched, in perspective, mirrored.

    size: range of its half extent, as a share of the canvas.
    grow: how much thicker its thin parts are.
    """
    scale = draw.uniform(*size) * side
    turn = draw.choice([draw.normal(0, 0.15), draw.uniform(0, 2 * math.pi)], p=[0.7, 0.3])
    stretch = np.exp(draw.normal(0, 0.2, 2)) * [draw.choice([-1, 1]), 1]
    tilt = draw.uniform(-0.3, 0.3, 2)
    cos, sin = math.cos(turn), math.sin(turn)
    points = np.concatenate([stroke.points for stroke in strokes])
    middle = (points.min(0) + points.max(0)) / 2
    extent = max(1e-3, float(np.abs(points - middle).max()))
    margin = 0.5 - 0.5 * min(0.9, scale / side)
    centre = side * (0.5 + draw.uniform(-margin, margin, 2))
    placed: list[Placed] = []
    for stroke in strokes:
        local = (stroke.points - middle) / extent * stretch
        local = local / (1 + (local * tilt).sum(1, keepdims=True) * 0.7).clip(0.4)
        pixels = centre + scale * local @ np.array([[cos, sin], [-sin, cos]])
        wide = Stroke(
            stroke.points,
            stroke.thin * grow,
            stroke.thick,
            stroke.group,
            stroke.tone,
            stroke.cut,
        )
        placed.append((image, wide, pixels, scale / extent * float(np.abs(stretch).min())))
    return placed


def _layer(
    placed: list[Placed],
    count: int,
    side: int,
    size: int,
    rng: Random,
    generator: torch.Generator,
    pool: Tensor,
    means: Tensor,
    config: FineConfig,
) -> tuple[Float[Tensor, "b 1 r r"], Float[Tensor, "b 3 r r"]]:
    """Draw the coverage and the colour of one object per image."""
    device, unit = pool.device, side / (2 * size)
    painted = paint_pieces(cut_up([p for p in placed if not p[1].cut], unit, device), count, side)
    cover = painted.cover[:, None]
    if any(p[1].cut for p in placed):
        cuts = cut_up([p for p in placed if p[1].cut], unit, device)
        cover = cover * (1 - paint_pieces(cuts, count, side).cover[:, None])
    return cover, _colour(painted, rng, generator, pool, means, config)


def _colour(
    painted: Painted,
    rng: Random,
    generator: torch.Generator,
    pool: Tensor,
    means: Tensor,
    config: FineConfig,
) -> Float[Tensor, "b 3 r r"]:
    """Colour each image: two colours, a texture on both, light from one side."""
    count, side = painted.cover.shape[:2]
    device, period = pool.device, pool.shape[-1]
    colours: list[tuple[Colour, Colour]] = []
    for i in range(count):
        red, green, blue = means[i, :, rng.randrange(means.shape[2])].tolist()
        near = (red, green, blue)
        hidden = rng.random() < config.camouflage
        first = near
        for _ in range(_ATTEMPTS):
            first = near_colour(rng, near, 0.1) if hidden else any_colour(rng)
            if sum(abs(a - b) for a, b in zip(first, near, strict=True)) > (0.2 if hidden else 0.5):
                break
        second = near_colour(rng, first, 0.06) if rng.random() < 0.5 else any_colour(rng)
        colours.append((first, second))
    table = torch.tensor(colours, device=device)
    base = torch.lerp(
        table[:, 0, :, None, None], table[:, 1, :, None, None], painted.group[:, None]
    )
    line = torch.arange(side, device=device)
    windows = []
    for _ in range(count):
        top, left = rng.randrange(period), rng.randrange(period)
        plane = pool[rng.randrange(len(pool))]
        windows.append(plane[:, (top + line) % period][:, :, (left + line) % period])
    strength = 0.25 * torch.rand(count, 1, 1, 1, generator=generator, device=device) ** 2
    shade = 0.5 * (torch.rand(count, 1, 1, 1, generator=generator, device=device) - 0.3)
    light = 1 - shade * painted.across[:, None]
    return ((base + painted.tone[:, None] + strength * torch.stack(windows)) * light).clamp(0, 1)


@lru_cache(maxsize=2)
def _pool(seed: int, side: int, device: torch.device) -> Tensor:
    """Make the textures that consecutive seeds share: they cost as much as a batch of stills."""
    return texture_pool(_POOL, side, torch.Generator(device).manual_seed(seed % (1 << 62)))


def contact_sheet(stills: Stills, columns: int) -> UInt8[Tensor, "h w 3"]:
    """Lay out each still beside its label, `columns` pairs per row."""
    size = stills.images.shape[-1]
    label = F.avg_pool2d(stills.labels.float()[:, None], 2).expand(-1, 3, -1, -1) * 255
    pair = torch.cat([stills.images, label.to(torch.uint8)], dim=3)
    rows = len(pair) // columns
    pair = pair[: rows * columns].view(rows, columns, 3, size, 2 * size)
    return pair.permute(0, 3, 1, 4, 2).reshape(rows * size, columns * 2 * size, 3).cpu()
