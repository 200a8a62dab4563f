"""Clips pasted together from images: cut-outs that move over photographs, with exact masks.

A clip has a photograph under a moving camera, or a panorama that it turns in, and two to five
objects on it, back to front. An object is a cut-out in its own colours, or its outline, or a
silhouette, filled with a piece of a photograph; it moves, turns, comes nearer, bends, throws a
shadow, is lit and hidden by those in front. The camera's effects are those of drawn clips. The
images come from `vos.synth.pasted_sources`.

    python -m vos.synth.pasted --out sheet.png
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from vos.errors import UsageError
from vos.synth.clips import Clips, contact_sheet
from vos.synth.clutter import add_thin_parts, draw_bars
from vos.synth.config import RICH
from vos.synth.effects import camera_effects
from vos.synth.panoramas import look_around
from vos.synth.pasted_images import crop, list_files, read_image

_SPRITE_PX = 192
_MARGIN = 1.6
"""Side of a backdrop, in frames."""
_FIELD_DEGREES = (70.0, 110.0)
"""Of view, in a panorama."""
_LEAST_VISIBLE = 0.002
_ATTEMPTS = 8
_STAMPS_OWN_PAINT = 0.9
"""Share of photographed objects that keep their colours; the rest lend their outline."""


@dataclass(frozen=True, slots=True)
class PastedConfig:
    """How pasted clips are made.

    folder: holds `photographs/`, `cutouts/` and, where there are any, `panoramas/`, `stamps/` and
        `silhouettes/`.
    objects: least and largest number in a clip.
    area: least and largest share of the frame that an object fills.
    speed: of objects, in frame sides per frame.
    photographed: share of objects that are photographs themselves (stamps).
    outlined: share of the others that are silhouettes, which have no colours.
    own_paint: share of the rest that keep their colours; of the former, all but a tenth do.
    surrounded: share of clips in a panorama.
    followed: share of clips whose camera follows the target.
    blurred: share of clips with motion blur.
    shadow: share of objects that throw one.
    twin: share of clips where two objects look the same.
    alike: share of objects filled from the backdrop's own photograph.
    turning: share of filled objects that show other parts of their filling as they turn.
    nearing: share of objects that come nearer or go away for as long as the clip lasts.
    tied: share of objects with long thin parts.
    barred: share of clips with bars across the target, before or behind it.
    backed: share of clips with a larger object right behind the target.
    """

    folder: str = "data/nano"
    objects: tuple[int, int] = (2, 5)
    area: tuple[float, float] = (0.008, 0.3)
    speed: float = 0.03
    photographed: float = 0.5
    outlined: float = 0.25
    own_paint: float = 0.5
    surrounded: float = 0.1
    followed: float = 0.5
    blurred: float = 0.2
    shadow: float = 0.4
    twin: float = 0.3
    alike: float = 0.15
    turning: float = 0.5
    nearing: float = 0.3
    tied: float = 0.15
    barred: float = 0.25
    backed: float = 0.2


def has_images(config: PastedConfig) -> bool:
    """Tell whether there are photographs and cut-outs."""
    return all(list_files(config.folder, kind) for kind in ("photographs", "cutouts"))


@torch.no_grad()
def generate_pasted(
    batch: int,
    frames: int,
    size: int,
    seed: int,
    config: PastedConfig,
    device: torch.device | str = "cpu",
) -> Clips:
    """Make `batch` clips of `frames` frames of `size` x `size` pixels.

    The same arguments give the same clips.

    Raises UsageError where images are missing.
    """
    if not has_images(config):
        raise UsageError(
            f"{config.folder}: no photographs or no cutouts; "
            f"fetch them with `python -m vos.synth.pasted_sources {config.folder}`"
        )
    rng = Random(seed)
    generator = torch.Generator(device).manual_seed(seed % (1 << 62))
    clips, labels = [], []
    for _ in range(batch):
        film, label = _make_visible_clip(frames, size, rng, config, torch.device(device))
        clips.append(film)
        labels.append(label)
    rgb = camera_effects(torch.stack(clips), rng, generator, RICH)
    label = torch.stack(labels)
    return Clips((rgb * 255 + 0.5).clamp(0, 255).to(torch.uint8), label == 1, label)


@dataclass(frozen=True, slots=True)
class _Motion:
    """A similarity transform over time: start + speed * t + swing * sin(rate * t + phase).

    x, y: start, speed and swing, in frame sides from the middle.
    log_scale, angle: start, speed and swing of the object's.
    rate, phase: of the swing.
    """

    x: tuple[float, float, float]
    y: tuple[float, float, float]
    log_scale: tuple[float, float, float]
    angle: tuple[float, float, float]
    rate: float
    phase: float

    def at(self, times: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        wave = torch.sin(self.rate * times + self.phase) - math.sin(self.phase)
        found = [
            start + speed * times + swing * wave
            for start, speed, swing in (self.x, self.y, self.log_scale, self.angle)
        ]
        return found[0], found[1], found[2], found[3]


def _motion(
    rng: Random, x: float, y: float, speed: float, scale: float, nearing: float = 0.0
) -> _Motion:
    growth = rng.gauss(0, 0.04 if rng.random() < nearing else 0.012)
    direction, pace = rng.uniform(0, math.tau), speed * rng.random() ** 1.5
    return _Motion(
        (x, pace * math.cos(direction), rng.gauss(0, 1.5 * speed)),
        (y, pace * math.sin(direction), rng.gauss(0, speed)),
        (math.log(scale), growth, rng.gauss(0, 0.03)),
        (rng.gauss(0, 0.25), rng.gauss(0, 0.02), rng.gauss(0, 0.06)),
        rng.uniform(0.2, 1.2),
        rng.uniform(0, math.tau),
    )


def _make_visible_clip(
    frames: int, size: int, rng: Random, config: PastedConfig, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Make clips as `_make_clip` does until the target is visible in the first frame of one."""
    film, labels = _make_clip(frames, size, rng, config, device)
    for _ in range(_ATTEMPTS - 1):
        if float((labels[0] == 1).float().mean()) >= _LEAST_VISIBLE:
            break
        film, labels = _make_clip(frames, size, rng, config, device)
    return film, labels


def _make_clip(
    frames: int, size: int, rng: Random, config: PastedConfig, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Make frames (t, 3, s, s) in [0, 1] and labels uint8 (t, s, s), as `Clips` has them."""
    times = torch.arange(frames, device=device, dtype=torch.float32)
    steps = 3 if frames > 1 and rng.random() < config.blurred else 1
    if steps > 1:
        times = (times[:, None] + torch.tensor([-0.3, 0.0, 0.3], device=device)).flatten()
    backdrop_file = rng.choice(list_files(config.folder, "photographs"))
    pan = _motion(rng, rng.uniform(-0.1, 0.1), rng.uniform(-0.1, 0.1), config.speed, 1.0)
    panoramas = list_files(config.folder, "panoramas")
    if panoramas and rng.random() < config.surrounded:
        film = _turn_in(read_image(rng.choice(panoramas), None).to(device), rng, pan, times, size)
    else:
        film = _film(crop(backdrop_file, rng, round(size * _MARGIN)).to(device), pan, times, size)
    count = rng.randint(*config.objects)
    followed = rng.random() < config.followed
    twins = rng.random() < config.twin
    sprites: list[_Sprite] = []
    for index in range(count):
        if index == 1 and twins:
            sprites.append(sprites[0])
        else:
            sprites.append(_sprite(rng, config, backdrop_file, device))
    places = [_choose_place(rng, sprite, index, config) for index, sprite in enumerate(sprites)]
    order = rng.sample(range(count), count)
    if count > 1 and rng.random() < config.backed:
        x, y, scale = places[0]
        places[1] = (x, y, scale * rng.uniform(1.2, 2.2))
        order.remove(1)
        order.insert(0, 1)
    if rng.random() < config.barred:
        x, y, scale = places[0]
        sprites.append(_bars(rng, config, device))
        places.append((x, y, scale * rng.uniform(0.9, 1.6)))
        order.insert(rng.randint(0, count), count)
    labels = torch.zeros(len(times), size, size, dtype=torch.uint8, device=device)
    drift = pan.at(times)
    for index in order:
        scenery = index == count
        x, y, scale = places[index]
        speed, nearing = (0.0, 0.0) if scenery else (config.speed, config.nearing)
        moves = list(_motion(rng, x, y, speed, scale, nearing).at(times))
        if not (index == 0 and followed):
            moves[0], moves[1] = moves[0] + drift[0] - pan.x[0], moves[1] + drift[1] - pan.y[0]
        colours, alpha = _place(sprites[index], moves, times, size, rng)
        if rng.random() < config.shadow:
            film = film * (1 - _shadow(alpha, rng))
        light = 1 + rng.gauss(0, 0.15) + rng.gauss(0, 0.01) * times[:, None, None, None]
        film = film * (1 - alpha) + colours * light.clamp(0.4, 1.5)
        label = 0 if scenery else index + 1
        labels = torch.where(alpha[:, 0] > 0.5, label, labels).to(torch.uint8)
    film = film.unflatten(0, (frames, steps)).mean(1).clamp(0, 1)
    return film, labels.unflatten(0, (frames, steps))[:, steps // 2]


def _choose_place(
    rng: Random, sprite: _Sprite, index: int, config: PastedConfig
) -> tuple[float, float, float]:
    """Return where an object begins and how large it is: x, y and the scale."""
    reach = 0.25 if index == 0 else 0.45
    x, y = rng.uniform(-reach, reach), rng.uniform(-reach, reach)
    share = math.exp(rng.uniform(*(math.log(a) for a in config.area)))
    return x, y, math.sqrt(share / max(float(sprite.alpha.mean()), 0.05))


def _film(backdrop: Tensor, motion: _Motion, times: Tensor, size: int) -> Tensor:
    """Return the backdrop (3, p, p) as the camera sees it: (t, 3, s, s)."""
    x, y, log_scale, angle = motion.at(times)
    theta = _affine(-x, -y, log_scale.clamp(-0.4, 0.4), 0.3 * angle) / _MARGIN
    grid = F.affine_grid(theta, [len(times), 3, size, size], align_corners=False)
    source = backdrop.expand(len(times), -1, -1, -1)
    return F.grid_sample(source, grid, padding_mode="reflection", align_corners=False)


def _turn_in(panorama: Tensor, rng: Random, motion: _Motion, times: Tensor, size: int) -> Tensor:
    """Return a panorama (3, h, w) as a camera sees it that turns: (t, 3, s, s).

    What is straight ahead moves as things do that `motion` moves.
    """
    x, y, _, angle = motion.at(times)
    field = math.radians(rng.uniform(*_FIELD_DEGREES))
    heading = rng.uniform(-math.pi, math.pi) - field * x
    tilt = rng.gauss(0, 0.15) + field * y
    return look_around(panorama, heading, tilt, 0.3 * angle, field, size)


@dataclass(frozen=True, slots=True)
class _Sprite:
    """An object to paste.

    paint: its own colours times its alpha, as large as `alpha`; or, where `slide` is given, what it
        is filled with, half as large again.
    alpha: its outline, 0 to 1.
    slide: how much of the filling's side moves by per frame, x and y.
    """

    paint: Tensor
    alpha: Tensor
    slide: tuple[float, float] | None = None


def _place(
    sprite: _Sprite, moves: Sequence[Tensor], times: Tensor, size: int, rng: Random
) -> tuple[Tensor, Tensor]:
    """Return its colours times its alpha and its alpha, in the frame: (t, 3 and 1, s, s)."""
    x, y, log_scale, angle = moves
    grow = torch.exp(-log_scale)
    cos, sin = torch.cos(angle) * grow, torch.sin(angle) * grow
    theta = torch.stack(
        [
            torch.stack([cos, sin, -2 * (cos * x + sin * y)], dim=-1),
            torch.stack([-sin, cos, 2 * (sin * x - cos * y)], dim=-1),
        ],
        dim=1,
    )
    grid = F.affine_grid(theta, [len(times), 4, size, size], align_corners=False)
    rate, phase = rng.uniform(0.1, 0.9), rng.uniform(0, math.tau)
    knots = torch.tensor([rng.gauss(0, 1) for _ in range(2 * 2 * 16)], device=grid.device)
    strength = torch.tensor([0.05, 0.07], device=grid.device)
    still, swing = knots.view(2, 1, 2, 4, 4) * strength.view(2, 1, 1, 1, 1)
    bend = still + swing * torch.sin(rate * times + phase)[:, None, None, None]
    field = F.interpolate(bend, (24, 24), mode="bicubic", align_corners=True)
    inside = grid.clamp(-1, 1)
    grid = grid + F.grid_sample(field, inside, align_corners=True).permute(0, 2, 3, 1)
    alpha = _sample(sprite.alpha, grid)
    if sprite.slide is None:
        return _sample(sprite.paint, grid), alpha
    slide = times[:, None] * torch.tensor(sprite.slide, device=grid.device)
    return _sample(sprite.paint, grid / 1.5 + slide[:, None, None]) * alpha, alpha


def _sample(image: Tensor, grid: Tensor) -> Tensor:
    source = image.expand(len(grid), -1, -1, -1)
    return F.grid_sample(source, grid, align_corners=False)


def _affine(x: Tensor, y: Tensor, log_scale: Tensor, angle: Tensor) -> Tensor:
    """Map a frame's coordinates (-1 to 1) to a larger image's: (t, 2, 3)."""
    cos, sin = (f(angle) * torch.exp(-log_scale) for f in (torch.cos, torch.sin))
    return torch.stack(
        [torch.stack([cos, sin, 2 * x], dim=-1), torch.stack([-sin, cos, 2 * y], dim=-1)], dim=1
    )


def _shadow(alpha: Tensor, rng: Random) -> Tensor:
    """Return how much darker it is beside an object: (t, 1, s, s)."""
    size = alpha.shape[-1]
    soft = F.avg_pool2d(alpha, 8, 4, 2)
    soft = F.interpolate(soft, (size, size), mode="bilinear", align_corners=False)
    shift = (round(size * rng.uniform(0.0, 0.06)), round(size * rng.uniform(-0.05, 0.05)))
    return rng.uniform(0.2, 0.6) * soft.roll(shift, (2, 3))


def _sprite(rng: Random, config: PastedConfig, backdrop: Path, device: torch.device) -> _Sprite:
    stamps = list_files(config.folder, "stamps")
    is_stamp = bool(stamps) and rng.random() < config.photographed
    silhouettes = list_files(config.folder, "silhouettes")
    is_silhouette = not is_stamp and bool(silhouettes) and rng.random() < config.outlined
    kind = "stamps" if is_stamp else "silhouettes" if is_silhouette else "cutouts"
    files = list_files(config.folder, kind)
    cutout = read_image(rng.choice(files), _SPRITE_PX)
    if rng.random() < 0.5:
        cutout = cutout.flip(-1)
    alpha = cutout[3:]
    share = _STAMPS_OWN_PAINT if is_stamp else config.own_paint
    own_paint = not is_silhouette and rng.random() < share
    if own_paint:
        paint = cutout[:3] * alpha
    else:
        file = backdrop
        if rng.random() >= config.alike:
            file = rng.choice(list_files(config.folder, "photographs"))
        paint = crop(file, rng, round(1.5 * _SPRITE_PX))
    if rng.random() < config.tied:
        paint, alpha = add_thin_parts(rng, paint, alpha, own_paint=own_paint)
    if own_paint:
        return _Sprite(paint.to(device), alpha.to(device))
    pace = 0.03 if rng.random() < config.turning else 0.0
    slide = (rng.uniform(-pace, pace), 0.3 * rng.uniform(-pace, pace))
    return _Sprite(paint.to(device), alpha.to(device), slide)


def _bars(rng: Random, config: PastedConfig, device: torch.device) -> _Sprite:
    """Return bars of one piece of a photograph, or of one colour."""
    alpha = draw_bars(rng, _SPRITE_PX)
    if rng.random() < 0.5:
        paint = crop(rng.choice(list_files(config.folder, "photographs")), rng, _SPRITE_PX)
    else:
        paint = torch.tensor([rng.random() for _ in range(3)])[:, None, None].expand(
            3, _SPRITE_PX, _SPRITE_PX
        )
    return _Sprite((paint * alpha).to(device), alpha.to(device))


def main() -> None:
    """Write a contact sheet of pasted clips."""
    parser = argparse.ArgumentParser(prog="python -m vos.synth.pasted", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", default=PastedConfig().folder, help="folder of images")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    clips = generate_pasted(args.clips, 8, 192, args.seed, PastedConfig(args.images))
    Image.fromarray(contact_sheet(clips, 8).numpy()).save(args.out)


if __name__ == "__main__":
    main()
