"""Photographs of objects with alpha, square: the stamps of Tux Paint from a Debian package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from vos.synth.pasted_sources.packages import fetch, unpack_debian

STAMPS = "tuxpaint-stamps-default"
_STAMPED = ("animals", "food", "hobbies", "household", "plants", "sports", "vehicles")
"""Folders of stamps that hold photographs; `cartoon` inside them holds drawings."""
_STAMP_PX = 256
_STAMP_AREA = (0.04, 0.97)
"""Share of its rectangle that a stamp's object fills; others are hairs and whole pictures."""


def fetch_stamps(target: Path) -> str:
    """Return what came, in words."""
    target.mkdir(parents=True, exist_ok=True)

    def keep(package: Path) -> int:
        count = 0
        for path in sorted(package.rglob("*.png")):
            parts = path.parts[path.parts.index("stamps") + 1 :]
            if parts[0] not in _STAMPED or "cartoon" in parts:
                continue
            stamp = _fit_square(Image.open(path).convert("RGBA"))
            if stamp is not None:
                stamp.save(target / ("-".join(parts[:-1]) + f"-{path.stem}.webp"), quality=90)
                count += 1
        return count

    return fetch(STAMPS, "photographs of objects", unpack_debian, keep)


def _fit_square(stamp: Image.Image) -> Image.Image | None:
    """Return an object in the middle of a square, or None where its outline says nothing."""
    alpha = np.asarray(stamp.getchannel("A"))
    if not _STAMP_AREA[0] < float((alpha > 127).mean()) < _STAMP_AREA[1]:
        return None
    stamp = stamp.crop(stamp.getchannel("A").getbbox())
    scale = _STAMP_PX / max(stamp.size)
    stamp = stamp.resize((max(1, round(scale * stamp.width)), max(1, round(scale * stamp.height))))
    square = Image.new("RGBA", (_STAMP_PX, _STAMP_PX))
    square.paste(stamp, ((_STAMP_PX - stamp.width) // 2, (_STAMP_PX - stamp.height) // 2))
    return square
