"""What a camera does to a frame: defocus, colour and tone shifts, noise, block compression."""

from __future__ import annotations

import math
from random import Random

import torch
from torch import Tensor
from torch.nn import functional as F

from vos.synth.config import ClipConfig


def camera_effects(
    rgb: Tensor, rng: Random, generator: torch.Generator, config: ClipConfig
) -> Tensor:
    """Apply effects to a share of the clips, the same within a clip.

    rgb: float (b, t, 3, h, w) in [0, 1], changed in place.
    """
    frames, height, width = rgb.shape[1], *rgb.shape[3:]
    tile = torch.randn(3, height, width, generator=generator, device=rgb.device)
    for clip in rgb:
        if rng.random() < config.defocus:
            clip.copy_(defocus(clip, rng.uniform(0.5, 1.6) * height / 128))
        if rng.random() < config.colour_shift:
            gain = [1 + rng.gauss(0, 0.08) for _ in range(3)]
            drift = rng.gauss(0, 0.01)
            time = torch.arange(frames, device=rgb.device)[:, None, None, None]
            light = torch.tensor(gain, device=rgb.device)[:, None, None] * (1 + drift * time).clamp(
                0.6, 1.4
            )
            clip.mul_(light).clamp_(0, 1)
            # A bend of the tone curve that keeps black and white, as a gamma does, for less.
            clip.addcmul_(clip, 1 - clip, value=rng.uniform(-0.4, 0.4))
        if config.lighting and rng.random() < config.lighting:
            _light(clip, rng, generator)
        if rng.random() < config.noise:
            sigma = 10 ** rng.uniform(-2.4, -1.3)
            for frame in clip:
                shift = (rng.randrange(height), rng.randrange(width))
                frame.add_(tile.roll(shift, (1, 2)), alpha=sigma)
        if rng.random() < config.compression and height % 8 == 0 and width % 8 == 0:
            if config.chroma and rng.random() < config.chroma:
                clip.copy_(halve_chroma(clip))
            clip.copy_(compress(clip, rng.uniform(0.02, 0.12)))
    return rgb


def _light(clip: Tensor, rng: Random, generator: torch.Generator) -> None:
    """Multiply (t, 3, h, w) in place by a smooth field that drifts.

    So do clouds, crowns of trees and exposure.
    """
    frames, _, height, width = clip.shape
    knots = torch.randn(1, 1, 2, 4, 4, generator=generator, device=clip.device)
    field = F.interpolate(knots, (frames, height, width), mode="trilinear", align_corners=True)
    clip.mul_((field[0, 0, :, None] * rng.uniform(0.05, 0.3)).exp_()).clamp_(0, 1)


def halve_chroma(clip: Tensor) -> Tensor:
    """Keep brightness and halve the resolution of colour, as 4:2:0 video does.

    clip: (t, 3, h, w) with even sides.
    """
    weights = torch.tensor([0.299, 0.587, 0.114], device=clip.device)[:, None, None]
    luma = (clip * weights).sum(1, keepdim=True)
    colour = F.interpolate(F.avg_pool2d(clip - luma, 2), scale_factor=2.0, mode="nearest")
    return (luma + colour).clamp(0, 1)


def defocus(clip: Tensor, sigma: float) -> Tensor:
    """Blur (t, 3, h, w) with a Gaussian of `sigma` pixels."""
    radius = max(1, math.ceil(2 * sigma))
    axis = torch.arange(-radius, radius + 1, device=clip.device, dtype=clip.dtype)
    kernel = torch.exp(-0.5 * (axis / sigma) ** 2)
    kernel = kernel / kernel.sum()
    plane = clip.reshape(-1, 1, *clip.shape[2:])
    plane = F.conv2d(F.pad(plane, (radius, radius, 0, 0), "replicate"), kernel.view(1, 1, 1, -1))
    plane = F.conv2d(F.pad(plane, (0, 0, radius, radius), "replicate"), kernel.view(1, 1, -1, 1))
    return plane.view_as(clip)


def compress(clip: Tensor, step: float) -> Tensor:
    """Round the 8x8 cosine coefficients of (t, 3, h, w), as JPEG does.

    They become multiples of a step that grows with frequency.
    """
    axis = torch.arange(8, device=clip.device, dtype=clip.dtype)
    basis = torch.cos(math.pi / 8 * (axis[None] + 0.5) * axis[:, None]) * 0.5
    basis[0] *= math.sqrt(0.5)
    frames, channels, height, width = clip.shape
    blocks = clip.view(frames, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    table = step * (1 + 0.6 * (axis[:, None] + axis[None]))
    coefficients = torch.round(basis @ blocks @ basis.T / table) * table
    return (basis.T @ coefficients @ basis).transpose(3, 4).reshape(clip.shape)
