"""Rendered objects with alpha, 256 px: Microsoft's Fluent Emoji from an npm package."""

from __future__ import annotations

import shutil
from pathlib import Path

from vos.synth.pasted_sources.packages import fetch, unpack_npm

CUTOUTS = "@lobehub/fluent-emoji-3d"
_THINGS = (
    (0x1F300, 0x1F4FF), (0x1F5A5, 0x1F5FF), (0x1F600, 0x1F6A9), (0x1F6B2, 0x1F6B6),
    (0x1F6CC, 0x1F6FF), (0x1F90C, 0x1F9FF), (0x1FA70, 0x1FAFF),
)  # fmt: skip
"""Code points that show something to hold, ride, eat or meet; the rest are flags and signs."""
_SKIN_TONES = range(0x1F3FB, 0x1F400)


def is_thing(name: str) -> bool:
    """Tell whether a cut-out of this file name (code points in hexadecimal) shows an object.

    There is one of each, without its variants of skin tone.
    """
    points = [int(part, 16) for part in name.split("-")]
    known = any(low <= points[0] <= high for low, high in _THINGS)
    return known and not any(point in _SKIN_TONES for point in points)


def fetch_cutouts(target: Path) -> str:
    """Return what came, in words."""
    target.mkdir(parents=True, exist_ok=True)

    def keep(package: Path) -> int:
        found = [path for path in package.rglob("*.webp") if is_thing(path.stem)]
        for path in found:
            shutil.copy(path, target)
        return len(found)

    return fetch(CUTOUTS, "cut-outs", unpack_npm, keep)
