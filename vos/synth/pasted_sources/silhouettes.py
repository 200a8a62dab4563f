"""Outlines of people, animals and things, filled in, 256 px: game-icons.net from an npm package.

They are drawn by resvg (package resvg-py), which only `make nano-data` installs, and need SciPy.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image

from vos.synth.pasted_sources.packages import fetch, unpack_npm

SILHOUETTES = "@iconify-json/game-icons"
_SIDE_PX = 256
_AREA = (0.06, 0.7)
"""Share of its square that a silhouette fills; others are hairs and plates."""
_HALF = 127
_LEAST_WHOLE = 0.97
"""Share of it that hangs together; others are several things."""


def fetch_silhouettes(target: Path) -> str:
    """Return what came, in words."""
    try:
        import resvg_py  # pyright: ignore[reportMissingImports]
        import scipy.ndimage  # noqa: F401
    except ImportError:
        return f"{SILHOUETTES}: not drawn (pip install resvg-py scipy)"
    target.mkdir(parents=True, exist_ok=True)

    def keep(icons: Any) -> int:
        count = 0
        for name, icon in icons["icons"].items():
            size = f'viewBox="0 0 {icons["width"]} {icons["height"]}"'
            svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{icon["body"]}</svg>'
            drawn = resvg_py.svg_to_bytes(svg_string=svg, width=_SIDE_PX, height=_SIDE_PX)
            filled = fill_in(Image.open(io.BytesIO(bytes(drawn))).getchannel("A"))
            if is_one_thing(filled):
                white = Image.new("L", filled.size, 255)
                Image.merge("RGBA", (white, white, white, filled)).save(target / f"{name}.png")
                count += 1
        return count

    return fetch(SILHOUETTES, "silhouettes", _unpack_icons, keep)


def _unpack_icons(package: str, room: str) -> Any:
    return json.loads((unpack_npm(package, room) / "icons.json").read_text())


def fill_in(alpha: Image.Image) -> Image.Image:
    """Return an outline whose inner lines and holes are filled."""
    from scipy.ndimage import binary_fill_holes

    drawn = np.asarray(alpha)
    holes = np.asarray(binary_fill_holes(drawn > _HALF)) & (drawn <= _HALF)
    return Image.fromarray(np.where(holes, 255, drawn).astype(np.uint8))


def is_one_thing(alpha: Image.Image) -> bool:
    """Tell whether a silhouette is of a fair size and hangs together."""
    from scipy.ndimage import label

    inside = np.asarray(alpha) > _HALF
    if not _AREA[0] < inside.mean() < _AREA[1]:
        return False
    parts, _ = cast(tuple[np.ndarray, int], label(inside))
    largest = np.bincount(parts[inside]).max()
    return bool(largest >= _LEAST_WHOLE * inside.sum())
