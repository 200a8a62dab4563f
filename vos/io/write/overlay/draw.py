"""Objects drawn over the frame: a translucent fill and a thin outline around it. NumPy only."""

from __future__ import annotations

import functools

import numpy as np

from vos.io.write.mask_png import davis_palette


def outline_px(size_hw: tuple[int, int]) -> int:
    """Return how thick outlines are on frames of this size, without the soft rim."""
    return max(1, round(min(size_hw) / 540))


def draw_overlay(
    image: np.ndarray, label_map: np.ndarray, thickness: int | None = None
) -> np.ndarray:
    """Copy `image` with each object in its palette colour (brightened), background untouched.

    The outline lies outside the object, one pixel per 540 lines thick (at least one) plus a soft
    rim; where objects touch, the higher id's outline covers the lower id's edge.

    image: uint8 H x W x 3. label_map: uint8 H x W, pixel value = object id. thickness: of the
    outline, for a part of a frame; None for a whole one.
    """
    if image.shape != (*label_map.shape, 3):
        raise ValueError(f"picture and labels differ: {image.shape=}, {label_map.shape=}")
    drawn = image.copy()
    if thickness is None:
        thickness = outline_px(image.shape[:2])
    window = _window(label_map, margin=thickness + 1)
    if window is None:
        return drawn
    labels = np.ascontiguousarray(label_map[window])
    line, rim = _outlines(labels, thickness)
    line_at, rim_at = (
        np.flatnonzero(spread != before) for before, spread in ((labels, line), (line, rim))
    )
    line_ids, rim_ids = line.ravel()[line_at], rim.ravel()[rim_at]
    covered = np.negative((labels != 0).view(np.uint8))  # 0 or 255
    as_bytes = labels.tobytes()
    fills, lines = overlay_colours()
    for channel in range(3):
        # Single contiguous planes and a byte table: several times faster than indexing by label.
        plane = np.ascontiguousarray(drawn[window][..., channel])
        plane -= (plane >> 1) & covered
        half_fill = as_bytes.translate((fills[:, channel] >> 1).tobytes())
        plane += np.frombuffer(half_fill, dtype=np.uint8).reshape(plane.shape)
        flat = plane.reshape(-1)
        flat[rim_at] = (flat[rim_at] >> 1) + (lines[rim_ids, channel] >> 1)
        flat[line_at] = lines[line_ids, channel]
        drawn[window][..., channel] = plane
    return drawn


def _window(label_map: np.ndarray, margin: int) -> tuple[slice, slice] | None:
    """Find the smallest part of the frame that holds all objects and `margin` around them."""
    rows = np.flatnonzero(label_map.any(axis=1))
    if not rows.size:
        return None
    columns = np.flatnonzero(label_map[rows[0] : rows[-1] + 1].any(axis=0))
    height, width = label_map.shape
    return (
        slice(max(0, int(rows[0]) - margin), min(height, int(rows[-1]) + 1 + margin)),
        slice(max(0, int(columns[0]) - margin), min(width, int(columns[-1]) + 1 + margin)),
    )


def _outlines(labels: np.ndarray, thickness: int) -> tuple[np.ndarray, np.ndarray]:
    """Spread `labels` by `thickness` pixels, about as a disc would, and by one pixel more."""
    line = labels
    for step in range(thickness):
        line = _grow(line, diagonal=step % 2 == 1)
    return line, _grow(line, diagonal=thickness % 2 == 1)


def _grow(labels: np.ndarray, *, diagonal: bool) -> np.ndarray:
    """Spread labels by one pixel, the higher id over the lower."""
    across = labels.copy()
    np.maximum(across[:, 1:], labels[:, :-1], out=across[:, 1:])
    np.maximum(across[:, :-1], labels[:, 1:], out=across[:, :-1])
    source = across if diagonal else labels
    grown = across.copy()
    np.maximum(grown[1:], source[:-1], out=grown[1:])
    np.maximum(grown[:-1], source[1:], out=grown[:-1])
    return grown


@functools.cache
def overlay_colours() -> tuple[np.ndarray, np.ndarray]:
    """Return the fill and outline colours by object id, uint8 256 x 3.

    The palette's dark colours are lifted halfway to the brightest shade of their hue; outlines are
    a quarter lighter.
    """
    palette = davis_palette().astype(np.float64)
    fills = palette * (1 + 255 / np.maximum(palette.max(axis=1, keepdims=True), 1)) / 2
    lines = fills + (255 - fills) * 0.25
    fills[0] = 0  # so that adding the background's fill changes nothing
    return np.rint(fills).astype(np.uint8), np.rint(lines).astype(np.uint8)
