"""Textures nearer to photographs than those of `textures`: leaves with an inside, warped and
ridged noise, painted bands, masonry, fibres. All periodic.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from vos.train.textures import dead_leaves, spectral_noise, standard, uniform


def natural_pool(count: int, side: int, generator: torch.Generator) -> Tensor:
    """`count` textures of all kinds with zero mean and about unit deviation: (count, 3, side,
    side).
    """
    noise = spectral_noise(max(4, count // 2), side, generator, 0.9, 1.8)
    makers = (foliage, warped, painted, masonry, fibres)
    shares = [count * (i + 1) // len(makers) - count * i // len(makers) for i in range(len(makers))]
    kinds = zip(makers, shares, strict=True)
    pool = torch.cat([make(n, side, generator, noise) for make, n in kinds if n > 0])
    # Photographs vary far more in brightness than in hue.
    grey = pool.mean(1, keepdim=True)
    return standard(torch.lerp(grey, pool, uniform((count, 1, 1, 1), 0.1, 0.7, generator)))


def _some(noise: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` of the noises, each rolled."""
    pick = torch.randint(len(noise), (count,), generator=generator, device=noise.device)
    side = noise.shape[2]
    rolls = torch.randint(side, (count, 2), generator=generator, device=noise.device).tolist()
    planes = [noise[i].roll(tuple(r), (1, 2)) for i, r in zip(pick.tolist(), rolls, strict=True)]
    return torch.stack(planes)


def _lookup(plane: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Periodic bilinear lookup of (m, 3, s, s) at `x`, `y` (m, s, s) in texels."""
    side = plane.shape[2]
    padded = F.pad(plane, (1, 1, 1, 1), "circular")
    grid = torch.stack([x, y], dim=-1).remainder(side)
    grid = (grid + 1.5) * (2 / (side + 2)) - 1
    return F.grid_sample(padded, grid, padding_mode="border", align_corners=False)


def _coordinates(side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    axis = torch.arange(side, device=device, dtype=torch.float32)
    return axis[None, None, :], axis[None, :, None]


def foliage(count: int, side: int, generator: torch.Generator, noise: Tensor) -> Tensor:
    """Dead leaves that each show another piece of a noise, the way leaves, stones and crowds do."""
    leaves = dead_leaves(count, side, generator, leaves=350)
    # The leaf's colour says where its inside is cut from: constant within a leaf.
    x, y = _coordinates(side, leaves.device)
    shift = leaves.mul(61.7).mul_(side / 4).round()
    inside = _lookup(_some(noise, count, generator), x + shift[:, 0], y + shift[:, 1])
    return standard(leaves + uniform((count, 1, 1, 1), 0.4, 1.2, generator) * inside)


def warped(count: int, side: int, generator: torch.Generator, noise: Tensor) -> Tensor:
    """Noise looked up where another noise says, smooth or folded into ridges: marble, bark, water,
    clouds.
    """
    x, y = _coordinates(side, noise.device)
    smooth = F.avg_pool2d(F.pad(_some(noise, count, generator), (4, 4, 4, 4), "circular"), 9, 1)
    far = uniform((count, 1, 1), 0.02, 0.12, generator) * side
    base = _some(noise, count, generator)
    ridged = uniform((count, 1, 1, 1), 0, 1, generator) < 0.5
    base = torch.where(ridged, standard(-base.abs()), base)
    return standard(_lookup(base, x + far * smooth[:, 0], y + far * smooth[:, 1]))


def painted(count: int, side: int, generator: torch.Generator, noise: Tensor) -> Tensor:
    """Levels of a noise in three to seven colours with hard borders and dark outlines: camouflage,
    murals, peeled paint.
    """
    device = noise.device
    height = F.avg_pool2d(
        F.pad(_some(noise, count, generator)[:, 0], (2, 2, 2, 2), "circular"), 5, 1
    )
    levels = uniform((count, 1, 1), 3, 8, generator).floor()
    place = (height.clamp(-2, 2) / 4 + 0.5).clamp(0, 0.999) * levels
    band = place.long()
    colours = torch.randn(count, 8, 3, generator=generator, device=device)
    plane = colours.gather(1, band.flatten(1)[..., None].expand(-1, -1, 3))
    plane = plane.view(count, side, side, 3).permute(0, 3, 1, 2)
    edge = ((place - band - 0.5).abs() > 0.46).float()
    line = uniform((count, 1, 1), -2.0, 1.0, generator)
    return standard(plane + (line * edge)[:, None] + 0.2 * _some(noise, count, generator))


def masonry(count: int, side: int, generator: torch.Generator, noise: Tensor) -> Tensor:
    """Bricks, tiles, windows, planks: rows of boxes, each its own colour, between joints."""
    device = noise.device
    x, y = _coordinates(side, device)
    columns = uniform((count, 1, 1), 2, 12, generator).floor()
    rows = uniform((count, 1, 1), 2, 20, generator).floor()
    v = y / side * rows
    row = v.floor()
    offset = torch.where(uniform((count, 1, 1), 0, 1, generator) < 0.5, 0.5, 0.0)
    u = x / side * columns + offset * row.remainder(2)
    column = u.floor().remainder(columns)
    brick = (row * columns + column).long().expand(count, side, side)
    light = torch.randn(count, 240, 1, generator=generator, device=device)
    tint = torch.randn(count, 240, 3, generator=generator, device=device)
    colours = light + uniform((count, 1, 1), 0.0, 0.6, generator) * tint
    plane = colours.gather(1, brick.flatten(1)[..., None].expand(-1, -1, 3))
    plane = plane.view(count, side, side, 3).permute(0, 3, 1, 2)
    joint = uniform((count, 1, 1), 0.02, 0.25, generator)
    apart = torch.minimum(0.5 - (u.frac() - 0.5).abs(), 0.5 - (v.frac() - 0.5).abs())
    seam = (uniform((count, 1, 1), -2.0, 2.0, generator) * (apart < joint))[:, None]
    contrast = uniform((count, 1, 1, 1), 0.1, 1.0, generator)
    grain = 0.5 * _some(noise, count, generator)
    return standard(torch.where(seam != 0, seam, contrast * plane) + grain)


def fibres(count: int, side: int, generator: torch.Generator, noise: Tensor) -> Tensor:
    """Noise drawn out along one way and bent: grass, fur, hair, wood, rippled water."""
    x, y = _coordinates(side, noise.device)
    long = 2.0 ** uniform((count,), 3.0, 5.0, generator)
    source = torch.randn(count, 3, side, side, generator=generator, device=noise.device)
    spectrum = torch.fft.rfft2(source[:, :1] + 0.3 * source)
    fy = torch.fft.fftfreq(side, device=noise.device)[:, None] * side
    fx = torch.fft.rfftfreq(side, device=noise.device)[None] * side
    stretch = long.view(-1, 1, 1, 1)
    frequency = torch.sqrt((fx / stretch.sqrt()) ** 2 + (fy * stretch.sqrt()) ** 2).clamp(min=4)
    plane = standard(torch.fft.irfft2(spectrum / frequency, s=(side, side)))
    flat = (uniform((count, 1, 1, 1), 0, 1, generator) < 0.5).expand_as(plane)
    plane = torch.where(flat, plane.transpose(2, 3), plane)
    bend = _some(noise, count, generator)
    bend = F.avg_pool2d(F.pad(bend, (6, 6, 6, 6), "circular"), 13, 1)
    far = uniform((count, 1, 1), 0.0, 0.06, generator) * side
    wave = torch.sin(y * (2 * math.pi / side)) * 0.02 * side
    return standard(_lookup(plane, x + far * bend[:, 0] + wave, y + far * bend[:, 1]))
