"""Drawing scenes, part by part.

Every part is painted over the frame it belongs to, touching only the pixels of its bounding box.

All clips of a batch advance together: step k paints the k-th part of every clip in every frame,
as one flat list of pixels. The edge of a part is its coverage, a ramp over the approximate
signed distance; the coverage of the target that nothing painted over it has hidden is carried
along as a fourth channel, which is the mask.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vos.synth.objects.outlines import OUTLINE_BINS
from vos.synth.poses import Column, Parts, Pose, View, body_poses, collect_parts, part_poses
from vos.synth.scene import Scene


def _schedule(parts: Parts, counts: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Plan steps of (clips, parts), each clip's parts in painting order.

    A step is either all round or all with an outline: round parts need no angle and no table, which
    is half of the work. Clips do not overlap, so they need not advance together.
    """
    shaped = parts.shaped.tolist()
    drawn = parts.numbers[..., Column.R0].gt(0).tolist()
    waiting = [[k for k in range(n) if drawn[b][k]] for b, n in enumerate(counts)]
    position = [0] * len(waiting)
    steps: list[tuple[list[int], list[int]]] = []
    while True:
        queues: dict[bool, list[int]] = {False: [], True: []}
        for b, queue in enumerate(waiting):
            if position[b] < len(queue):
                queues[shaped[b][queue[position[b]]]].append(b)
        clips = max(queues.values(), key=len)
        if not clips:
            return steps
        steps.append((clips, [waiting[b][position[b]] for b in clips]))
        for b in clips:
            position[b] += 1


def paint(
    canvas: Tensor, scenes: Sequence[Scene], times: Tensor, view: View, pool: Tensor
) -> Tensor:
    """Paint all bodies over the backdrop, in place.

    canvas: float (4, b, t, s, s): RGB in [0, 1] and the target's visible coverage, 0 to begin with.
    times: (b, t) in frames. pool: what `texture_atlas` makes.
    Returns labels uint8 (b, t, s, s): the body on top of each pixel, 0 for none.
    """
    size = canvas.shape[-1]
    steps = times.shape[1]
    device = canvas.device
    parts = collect_parts(scenes, device)
    poses = part_poses(parts, body_poses(scenes, times, view), times)
    labels = torch.zeros(canvas.shape[1:], dtype=torch.uint8, device=device)
    planes, label_plane = canvas.view(4, -1), labels.view(-1)
    step_of = torch.arange(steps, device=device)
    faint = parts.numbers[..., Column.OPACITY].lt(1).tolist()
    for clips, chosen in _schedule(parts, [sum(len(b.shape) for b in s.bodies) for s in scenes]):
        clip = torch.tensor(clips, device=device)
        part = torch.tensor(chosen, device=device)
        strokes = _strokes(parts, poses, clip, part, times, size)
        stroke, px, py = _pixels(strokes, size)
        if len(stroke) == 0:
            continue
        cover, *surface = _coverage(strokes, stroke, px, py)
        seen = cover.nonzero()[:, 0]
        stroke, cover, px, py = (v.index_select(0, seen) for v in (stroke, cover, px, py))
        image = (clip[:, None] * steps + step_of).reshape(-1)
        pixel = (image * size).index_select(0, stroke).add_(py).mul_(size).add_(px)
        colour = _colour(strokes, stroke, [v.index_select(0, seen) for v in surface], pool)
        if any(faint[b][k] for b, k in zip(clips, chosen, strict=True)):
            opacity = strokes.opacity.index_select(0, stroke)
            hides = opacity == 1
            # A shadow darkens what it falls on, and hides nothing of it.
            was = planes[3].index_select(0, pixel)
            colour = (*colour[:3], torch.where(hides, colour[3], was))
            solid = ((cover > 0.5) & hides).nonzero()[:, 0]
            cover = cover * opacity
        else:
            solid = (cover > 0.5).nonzero()[:, 0]
        for plane, value in zip(planes, colour, strict=True):
            plane.scatter_(0, pixel, torch.lerp(plane.index_select(0, pixel), value, cover))
        label = strokes.label.index_select(0, stroke.index_select(0, solid))
        label_plane.scatter_(0, pixel.index_select(0, solid), label)
    return labels


@dataclass(frozen=True, slots=True)
class _Strokes:
    """The parts painted in one step, one per clip and frame: n = clips * t.

    geometry: (13, n), lengths in pixels: start x, y, cos, sin, length, radii, ring, hole x, y,
        radius, softness, reach.
    look: (8, n): colour, strength, texel offset u, v, shade, target flag.
    texels: (n,), texels per pixel.
    texture: (n,), index in the pool.
    label: (n,), of the body.
    outlines: (n, bins), or None where all are round.
    opacity: (n,).
    """

    geometry: Tensor
    look: Tensor
    texels: Tensor
    texture: Tensor
    label: Tensor
    outlines: Tensor | None
    opacity: Tensor


def _strokes(
    parts: Parts, poses: Pose, clip: Tensor, part: Tensor, times: Tensor, size: int
) -> _Strokes:
    steps = times.shape[1]
    numbers = parts.numbers[clip, part].repeat_interleave(steps, 0)
    x, y, angle, scale, stretch = (
        v[clip, part].reshape(-1)
        for v in (poses.x, poses.y, poses.angle, poses.scale, poses.stretch)
    )
    unit = scale * size
    outlines = None
    reach = torch.maximum(numbers[:, Column.R0], numbers[:, Column.R1])
    if bool(parts.shaped[clip[0], part[0]]):
        ends = parts.outlines[parts.outline[clip, part]]
        amp, rate = numbers[:, Column.WOBBLE], numbers[:, Column.WOBBLE + 1]
        mix = amp * torch.sin(rate * times[clip].reshape(-1)) ** 2
        first, last = ends.repeat_interleave(steps, 0).unbind(1)
        outlines = torch.lerp(first, last, mix[:, None])
        reach = reach * outlines.amax(1)
    soft = numbers[:, Column.SOFT]
    lengths = [
        numbers[:, k] * unit
        for k in (Column.LENGTH, Column.R0, Column.R1, Column.RING, Column.HX, Column.HY, Column.HR)
    ]
    lengths[0] = lengths[0] * stretch
    geometry = torch.stack([
        x * size, y * size, torch.cos(angle), torch.sin(angle), *lengths, soft,
        (reach + numbers[:, Column.RING]) * unit + 0.5 * soft,
    ])  # fmt: skip
    label = parts.label[clip, part].repeat_interleave(steps)
    time = times[clip].reshape(-1)
    rate, phase = numbers[:, Column.TURNING], numbers[:, Column.TURNING + 1]
    turned = torch.sin(rate * time + phase) ** 2
    look = torch.stack([
        *(numbers[:, Column.COLOUR + i] + turned * numbers[:, Column.OTHER + i] for i in range(3)),
        numbers[:, Column.STRENGTH],
        *(numbers[:, Column.U + i] + time * numbers[:, Column.SLIDE + i] for i in range(2)),
        numbers[:, Column.SHADE],
        (label == 1).float(),
    ])  # fmt: skip
    # The grain is in texels per pixel at the first frame, so that the texture grows with the object
    # later.
    first = poses.scale[clip, part, :1].expand(-1, steps).reshape(-1)
    texels = numbers[:, Column.GRAIN] * first / scale
    texture = parts.texture[clip, part].repeat_interleave(steps)
    opacity = numbers[:, Column.OPACITY]
    return _Strokes(geometry, look, texels, texture, label.to(torch.uint8), outlines, opacity)


def _pixels(strokes: _Strokes, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """List all pixels a stroke may touch: stroke index, column, row, each (f,) int64.

    They go row by row: within a row only the piece of the segment that is near enough can reach.
    """
    x, y, cos, sin, length = strokes.geometry[:5].unbind(0)
    reach = strokes.geometry[12]
    device = x.device
    rise, run = sin * length, cos * length
    top = (torch.minimum(y, y + rise) - reach).floor().clamp(0, size)
    bottom = (torch.maximum(y, y + rise) + reach).ceil().clamp(0, size)
    heights = (bottom - top).long()
    owner = torch.arange(len(x), device=device).repeat_interleave(heights)
    begin = heights.cumsum(0) - heights - top.long()
    row = torch.arange(len(owner), device=device) - begin.index_select(0, owner)
    table = torch.stack([x, y, rise, run, reach])
    x, y, rise, run, reach = table.index_select(1, owner).unbind(0)
    # A level segment reaches everywhere along itself: any tiny rise gives the whole of it.
    rise = torch.where(rise.abs() < 1e-3, 1e-3, rise)
    offset = row + 0.5 - y
    margin = reach + 0.5
    x0 = x + ((offset - margin) / rise).clamp(0, 1) * run
    x1 = x + ((offset + margin) / rise).clamp(0, 1) * run
    left = (torch.minimum(x0, x1) - reach).floor().clamp(0, size)
    right = (torch.maximum(x0, x1) + reach).ceil().clamp(0, size)
    widths = (right - left).long()
    line = torch.arange(len(owner), device=device).repeat_interleave(widths)
    begin = widths.cumsum(0) - widths - left.long()
    column = torch.arange(len(line), device=device) - begin.index_select(0, line)
    return owner.index_select(0, line), column, row.index_select(0, line)


def _coverage(
    strokes: _Strokes, stroke: Tensor, px: Tensor, py: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Compute coverage (f,), and where in its stroke each pixel is.

    That is u, v, the texture coordinates in pixels, and the offset from the segment along and
    across it over the radius.
    """
    x, y, cos, sin, length, r0, r1, ring, hole_x, hole_y, hole_r, soft, _ = (
        strokes.geometry.index_select(1, stroke).unbind(0)
    )
    dx, dy = px + 0.5 - x, py + 0.5 - y
    u, v = cos * dx + sin * dy, cos * dy - sin * dx
    on_segment = torch.minimum(u.clamp(min=0), length)
    along = u - on_segment
    edge = r0 + (r1 - r0) * (on_segment / length.clamp(min=1e-3))
    distance = torch.sqrt(along * along + v * v + 1e-6)
    if strokes.outlines is None:
        signed = distance - edge
    else:
        table = strokes.outlines.reshape(-1)
        turn = torch.atan2(v, along) * (OUTLINE_BINS / (2 * math.pi)) + OUTLINE_BINS
        low = turn.long()
        last = OUTLINE_BINS - 1
        base = stroke * OUTLINE_BINS
        r_low = table.index_select(0, base + (low & last))
        r_high = table.index_select(0, base + ((low + 1) & last))
        ratio = torch.lerp(r_low, r_high, turn - low)
        slope = (r_high - r_low) * (OUTLINE_BINS / (2 * math.pi)) / ratio
        edge = edge * ratio
        signed = (distance - edge) / torch.sqrt(1 + slope * slope)
        hole = torch.sqrt((u - hole_x) ** 2 + (v - hole_y) ** 2 + 1e-6)
        signed = torch.where(hole_r > 0, torch.maximum(signed, hole_r - hole), signed)
    signed = torch.where(ring > 0, signed.abs() - ring, signed)
    cover = (0.5 - signed / soft).clamp(0, 1)
    scale = 1 / edge.clamp(min=1e-3)
    return cover, u, v, along * scale, v * scale


def _colour(
    strokes: _Strokes, stroke: Tensor, surface: list[Tensor], pool: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute red, green, blue and target flag of covered pixels, each (f,).

    surface: what `_coverage` gives besides the coverage.
    """
    u, v, along, across = surface
    red, green, blue, strength, u0, v0, shade, target = strokes.look.index_select(1, stroke)
    texels = strokes.texels.index_select(0, stroke)
    index = strokes.texture.index_select(0, stroke)
    texel = sample_atlas(pool, index, u * texels, v * texels, u0, v0)
    cos, sin = strokes.geometry[2:4].index_select(1, stroke)
    # Light from above: brighter where the surface, taken as a cushion, faces up.
    light = 1 - shade * (sin * along + cos * across).clamp(-1, 1)
    red, green, blue = (
        ((base + strength * grain) * light).clamp(0, 1)
        for base, grain in zip((red, green, blue), texel, strict=True)
    )
    return red, green, blue, target


def texture_atlas(pool: Tensor) -> Tensor:
    """Put periodic textures (m, 3, s, s) below each other: (1, 3, m * (s + 2), s + 2).

    Each has a margin of its own far side.
    """
    padded = F.pad(pool, (1, 1, 1, 1), "circular")
    return padded.transpose(0, 1).reshape(1, 3, -1, padded.shape[-1]).contiguous()


def sample_atlas(
    atlas: Tensor, index: Tensor, u: Tensor, v: Tensor, u0: Tensor, v0: Tensor
) -> Tensor:
    """Look texture `index` up at `u`, `v` in texels, bilinear and periodic: (3, f).

    u0, v0: where the texture starts, in periods.
    """
    height, width = atlas.shape[2:]
    side = width - 2
    # A texel's centre is at half; the margin shifts everything by one.
    x = (u / side + u0).frac() + 1
    y = (v / side + v0).frac() + 1
    x = x.frac() * (2 * side / width) + (3 / width - 1)
    y = (y.frac() * side + 1.5 + index * width) * (2 / height) - 1
    grid = torch.stack([x, y], dim=-1)[None, None]
    return F.grid_sample(atlas, grid, padding_mode="border", align_corners=False)[0, :, 0]
