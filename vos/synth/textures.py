"""Textures with the statistics of photographs, and backdrops put together from them.

Each maker gives `count` periodic textures, (count, 3, side, side), with zero mean and about unit
deviation.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from vos.synth.scene import Scene


def uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    """Draw uniform numbers in [low, high)."""
    return torch.rand(shape, generator=generator, device=generator.device) * (high - low) + low


def standard(texture: Tensor) -> Tensor:
    """Bring (m, c, s, s) to zero mean per channel and unit deviation over all; clip outliers."""
    texture = texture - texture.mean(dim=(2, 3), keepdim=True)
    return (texture / texture.std(dim=(1, 2, 3), keepdim=True).clamp(min=1e-6)).clamp(-2.5, 2.5)


def spectral_noise(
    count: int, side: int, generator: torch.Generator, low: float = 0.6, high: float = 1.9
) -> Tensor:
    """Make noise with an amplitude spectrum 1/f^a, `a` in [low, high], stronger in brightness."""
    device = generator.device
    fy = torch.fft.fftfreq(side, device=device)[:, None] * side
    fx = torch.fft.rfftfreq(side, device=device)[None] * side
    stretch = 2 ** uniform((count, 1, 1, 1), -1.0, 1.0, generator)
    frequency = torch.sqrt((fx * stretch) ** 2 + (fy / stretch) ** 2).clamp(min=1)
    power = frequency ** -uniform((count, 1, 1, 1), low, high, generator)
    shape = (count, 3, side, side // 2 + 1)
    spectrum = torch.complex(
        torch.randn(shape, generator=generator, device=device),
        torch.randn(shape, generator=generator, device=device),
    )
    plane = standard(torch.fft.irfft2(spectrum * power, s=(side, side)))
    chroma = uniform((count, 1, 1, 1), 0.05, 0.5, generator)
    return standard(plane[:, :1] + chroma * plane)


def dead_leaves(count: int, side: int, generator: torch.Generator, leaves: int = 500) -> Tensor:
    """Let ellipses and boxes of power-law size, each in its own colour, fall on each other.

    The leaf on top of a pixel is the one with the highest number among all that cover it, so no
    order of drawing is needed.
    """
    device = generator.device
    number = count * leaves
    small, large = 1.5 / side, 0.22
    radius = (uniform((number,), large**-1.5, small**-1.5, generator)) ** (-1 / 1.5)
    radius[::40] = uniform((len(radius[::40]),), 0.1, large, generator)
    radius = radius * side
    x, y = (uniform((number,), 0, side, generator) for _ in range(2))
    turn = uniform((number,), 0, math.pi, generator)
    aspect = uniform((number,), 0.25, 1.0, generator)
    boxy = uniform((number,), 0, 1, generator) < 0.35
    half = (radius * 1.45).ceil().long()
    counts = (2 * half + 1) ** 2
    total = int(counts.sum())
    leaf = torch.arange(number, device=device).repeat_interleave(counts, output_size=total)
    local = torch.arange(total, device=device) - (counts.cumsum(0) - counts)[leaf]
    wide = 2 * half[leaf] + 1
    row = torch.div(local, wide, rounding_mode="floor")
    px = local - row * wide - half[leaf] + x.long()[leaf]
    py = row - half[leaf] + y.long()[leaf]
    dx, dy = (px - x[leaf]) / radius[leaf], (py - y[leaf]) / radius[leaf]
    cos, sin = torch.cos(turn)[leaf], torch.sin(turn)[leaf]
    a, b = (cos * dx + sin * dy).abs(), (cos * dy - sin * dx).abs() / aspect[leaf]
    inside = torch.where(boxy[leaf], torch.maximum(a, b) < 1, a * a + b * b < 1)
    pixel = (leaf // leaves * side + py % side) * side + px % side
    top = torch.zeros(count * side * side, dtype=torch.long, device=device)
    top = top.scatter_reduce(0, pixel[inside], leaf[inside], "amax")
    light = torch.randn(number, 1, generator=generator, device=device)
    tint = torch.randn(number, 3, generator=generator, device=device)
    colours = light + uniform((number, 1), 0.0, 0.5, generator) * tint
    texture = colours[top].view(count, side, side, 3).permute(0, 3, 1, 2)
    return standard(texture)


def cells(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Make Voronoi cells with random colours and dark joints."""
    device = generator.device
    planes = []
    for _ in range(count):
        grid = int(uniform((1,), 4, 14, generator).item())
        jitter = uniform((grid, grid, 2), 0, 1, generator)
        colour = torch.randn(grid, grid, 3, generator=generator, device=device)
        axis = (torch.arange(side, device=device) + 0.5) * (grid / side)
        cell = axis.long()
        best = torch.full((side, side), 1e9, device=device)
        second = best.clone()
        owner = torch.zeros(side, side, dtype=torch.long, device=device)
        for sy in (-1, 0, 1):
            for sx in (-1, 0, 1):
                cy, cx = (cell + sy) % grid, (cell + sx) % grid
                spot = jitter[cy[:, None], cx[None]]
                far_y = axis[:, None] - (cell + sy)[:, None] - spot[..., 1]
                far_x = axis[None] - (cell + sx)[None] - spot[..., 0]
                far = far_x**2 + far_y**2
                nearer = far < best
                second = torch.where(nearer, best, torch.minimum(second, far))
                owner = torch.where(nearer, cy[:, None] * grid + cx[None], owner)
                best = torch.minimum(best, far)
        joint = (second.sqrt() - best.sqrt()).clamp(0, 0.15) * 8
        planes.append(colour.view(-1, 3)[owner].permute(2, 0, 1) * 0.7 + joint)
    return standard(torch.stack(planes))


def stripes(count: int, side: int, generator: torch.Generator, warp: Tensor) -> Tensor:
    """Make stripes or checks, soft or sharp, straight or bent by noise.

    warp: the noise, (count, 3, side, side).
    """
    device = generator.device
    axis = torch.arange(side, device=device) / side
    shape = (count, 1, 1)
    waves = uniform((count, 2, 1, 1), 2, 24, generator).round()
    turn = uniform(shape, 0, 4, generator).floor() * math.pi / 4
    bend = uniform(shape, 0, 2.0, generator)
    kx, ky = (torch.cos(turn) * waves[:, 0]).round(), (torch.sin(turn) * waves[:, 0]).round()
    first = torch.sin(
        2 * math.pi * (kx * axis[None, None] + ky * axis[None, :, None]) + bend * warp[:, 0]
    )
    second = torch.sin(
        2 * math.pi * (kx * axis[None, :, None] - ky * axis[None, None]) + bend * warp[:, 1]
    )
    sharp = uniform(shape, 1.0, 8.0, generator)
    checks = uniform(shape, 0, 1, generator) < 0.4
    field = torch.tanh(sharp * torch.where(checks, first * second, first))
    tint = 1 + 0.4 * torch.randn(count, 3, 1, 1, generator=generator, device=device)
    return standard(field[:, None] * tint + 0.25 * warp)


def texture_pool(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Make `count` textures: noise, dead leaves, cells and stripes."""
    quarter = max(1, count // 6)
    noise = spectral_noise(count - 4 * quarter, side, generator)
    leaves = dead_leaves(quarter * 2, side, generator)
    striped = stripes(quarter, side, generator, noise[torch.arange(quarter) % len(noise)])
    tiled = cells(quarter, side, generator)
    grain = noise[torch.arange(3 * quarter) % len(noise)].flip(2)
    mixed = torch.cat([leaves, tiled])
    mixed = standard(mixed + 0.35 * grain)
    return torch.cat([noise, mixed, striped])


def backdrops(
    scenes: list[Scene], pool: Tensor, side: int, generator: torch.Generator, strength: float
) -> Tensor:
    """Make one backdrop per scene.

    It has three regions with wavy or sharp borders, each of its own colour, texture and shading.

    pool: (m, 3, s, s) with s >= side. Returns (b, 3, side, side) in [0, 1].
    """
    batch, period = len(scenes), pool.shape[2]
    device = pool.device
    colours = torch.tensor([s.palette[:3] for s in scenes]).to(device)
    pick = torch.randint(len(pool), (4, batch), generator=generator, device=device).tolist()
    amp = strength * 2 ** uniform((3, batch, 1, 1, 1), -5.5, -2.2, generator)
    shifts = torch.randint(period, (4, batch, 2, 1), generator=generator, device=device)
    axis = torch.arange(side, device=device) / side - 0.5
    line = torch.arange(side, device=device)

    def cut(k: int) -> Tensor:
        windows = [
            pool[i].index_select(1, rows).index_select(2, columns)
            for i, (rows, columns) in zip(pick[k], (shifts[k] + line) % period, strict=True)
        ]
        return torch.stack(windows)

    def region(k: int) -> Tensor:
        slope = uniform((batch, 3, 2), -0.25, 0.25, generator)
        slope = slope * 0.3 + slope[:, :1] * 0.7
        ramp = slope[..., 0, None, None] * axis + slope[..., 1, None, None] * axis[:, None]
        return torch.addcmul(colours[:, k, :, None, None] + ramp, cut(k), amp[k])

    rough = F.interpolate(F.avg_pool2d(cut(3)[:, :1], 4), size=(side, side), mode="bilinear")
    canvas = region(0)
    for k in (1, 2):
        # Mostly borders that run across, as horizons and walls do; sometimes at any angle.
        turn = uniform((batch, 1, 1, 1), 0, 2 * math.pi, generator)
        flat = uniform((batch, 1, 1, 1), 0, 1, generator) < 0.6
        turn = torch.where(flat, math.pi / 2, turn)
        level = uniform((batch, 1, 1, 1), -0.3, 0.3, generator)
        ripple = 10 ** uniform((batch, 1, 1, 1), -2.5, -0.7, generator)
        height = torch.cos(turn) * axis + torch.sin(turn) * axis[:, None] - level + ripple * rough
        hard = 10 ** uniform((batch, 1, 1, 1), 1.0, 2.3, generator)
        canvas = torch.lerp(canvas, region(k), (0.5 + hard * height).clamp(0, 1))
    return canvas.clamp(0, 1)


def natural_pool(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Make `count` textures as nature and builders do: foliage, marble, murals, masonry, fibres."""
    noise = spectral_noise(max(4, count // 2), side, generator, 0.9, 1.8)
    makers = (foliage, marble, murals, masonry, fibres)
    shares = [count * (i + 1) // len(makers) - count * i // len(makers) for i in range(len(makers))]
    kinds = zip(makers, shares, strict=True)
    pool = torch.cat([make(n, side, generator, noise) for make, n in kinds if n > 0])
    # Photographs vary far more in brightness than in hue.
    grey = pool.mean(1, keepdim=True)
    return standard(torch.lerp(grey, pool, uniform((count, 1, 1, 1), 0.1, 0.7, generator)))


def _choose(noise: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Choose `count` of the noises and roll each."""
    pick = torch.randint(len(noise), (count,), generator=generator, device=noise.device)
    side = noise.shape[2]
    rolls = torch.randint(side, (count, 2), generator=generator, device=noise.device).tolist()
    planes = [noise[i].roll(tuple(r), (1, 2)) for i, r in zip(pick.tolist(), rolls, strict=True)]
    return torch.stack(planes)


def _lookup(plane: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Look (m, 3, s, s) up at `x`, `y` (m, s, s) in texels, periodic and bilinear."""
    side = plane.shape[2]
    padded = F.pad(plane, (1, 1, 1, 1), "circular")
    grid = torch.stack([x, y], dim=-1).remainder(side)
    grid = (grid + 1.5) * (2 / (side + 2)) - 1
    return F.grid_sample(padded, grid, padding_mode="border", align_corners=False)


def _coordinates(side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    axis = torch.arange(side, device=device, dtype=torch.float32)
    return axis[None, None, :], axis[None, :, None]


def foliage(count: int, side: int, generator: torch.Generator, noise: Tensor) -> Tensor:
    """Make dead leaves that each show another piece of a noise, as leaves, stones and crowds do."""
    leaves = dead_leaves(count, side, generator, leaves=350)
    # The leaf's colour says where its inside is cut from: constant within a leaf.
    x, y = _coordinates(side, leaves.device)
    shift = leaves.mul(61.7).mul_(side / 4).round()
    inside = _lookup(_choose(noise, count, generator), x + shift[:, 0], y + shift[:, 1])
    return standard(leaves + uniform((count, 1, 1, 1), 0.4, 1.2, generator) * inside)


def marble(count: int, side: int, generator: torch.Generator, noise: Tensor) -> Tensor:
    """Look noise up where another noise says: marble, bark, water, clouds.

    It is smooth or folded into ridges.
    """
    x, y = _coordinates(side, noise.device)
    smooth = F.avg_pool2d(F.pad(_choose(noise, count, generator), (4, 4, 4, 4), "circular"), 9, 1)
    far = uniform((count, 1, 1), 0.02, 0.12, generator) * side
    base = _choose(noise, count, generator)
    ridged = uniform((count, 1, 1, 1), 0, 1, generator) < 0.5
    base = torch.where(ridged, standard(-base.abs()), base)
    return standard(_lookup(base, x + far * smooth[:, 0], y + far * smooth[:, 1]))


def murals(count: int, side: int, generator: torch.Generator, noise: Tensor) -> Tensor:
    """Colour the levels of a noise: murals, camouflage, peeled paint.

    There are three to seven colours with hard borders and dark outlines.
    """
    device = noise.device
    height = F.avg_pool2d(
        F.pad(_choose(noise, count, generator)[:, 0], (2, 2, 2, 2), "circular"), 5, 1
    )
    levels = uniform((count, 1, 1), 3, 8, generator).floor()
    place = (height.clamp(-2, 2) / 4 + 0.5).clamp(0, 0.999) * levels
    band = place.long()
    colours = torch.randn(count, 8, 3, generator=generator, device=device)
    plane = colours.gather(1, band.flatten(1)[..., None].expand(-1, -1, 3))
    plane = plane.view(count, side, side, 3).permute(0, 3, 1, 2)
    edge = ((place - band - 0.5).abs() > 0.46).float()
    line = uniform((count, 1, 1), -2.0, 1.0, generator)
    return standard(plane + (line * edge)[:, None] + 0.2 * _choose(noise, count, generator))


def masonry(count: int, side: int, generator: torch.Generator, noise: Tensor) -> Tensor:
    """Make bricks, tiles, windows, planks: rows of boxes, each its own colour, between joints."""
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
    grain = 0.5 * _choose(noise, count, generator)
    return standard(torch.where(seam != 0, seam, contrast * plane) + grain)


def fibres(count: int, side: int, generator: torch.Generator, noise: Tensor) -> Tensor:
    """Draw noise out along one way and bend it: grass, fur, hair, wood, rippled water."""
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
    bend = _choose(noise, count, generator)
    bend = F.avg_pool2d(F.pad(bend, (6, 6, 6, 6), "circular"), 13, 1)
    far = uniform((count, 1, 1), 0.0, 0.06, generator) * side
    wave = torch.sin(y * (2 * math.pi / side)) * 0.02 * side
    return standard(_lookup(plane, x + far * bend[:, 0] + wave, y + far * bend[:, 1]))
