"""Panoramas, all around, 512 x 256 px: those of Poly Haven in an npm package."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import av
import numpy as np
from PIL import Image

from vos.synth.pasted_sources.packages import fetch, unpack_npm

PANORAMAS = "@pmndrs/assets"
_CONTENT = re.compile(r"base64,([A-Za-z0-9+/=]+)")
_MIDDLE_GREY = 0.18
_BRIGHTEST = 65504.0
"""The largest half float: suns are brighter."""


def fetch_panoramas(target: Path) -> str:
    """Return what came, in words."""
    target.mkdir(parents=True, exist_ok=True)

    def keep(package: Path) -> int:
        found = sorted((package / "hdri").glob("*.exr.js"))
        for path in found:
            match = _CONTENT.search(path.read_text())
            assert match is not None, path
            light = read_exr(base64.b64decode(match[1]))
            name = path.name.partition(".")[0]
            Image.fromarray(tone_map(light)).save(target / f"{name}.png")
        return len(found)

    return fetch(PANORAMAS, "panoramas", unpack_npm, keep)


def read_exr(content: bytes) -> np.ndarray:
    """Return the light of an OpenEXR image of half floats: float32 (h, w, 3), RGB."""
    with av.open(io.BytesIO(content), "r", format="exr_pipe") as container:
        frame = next(container.decode(video=0))
    if frame.format.name != "gbrpf16le":
        raise ValueError(f"an image of {frame.format.name}, not of half floats")
    green, blue, red = (
        np.frombuffer(memoryview(plane), np.float16).reshape(plane.height, -1)[:, : plane.width]
        for plane in frame.planes
    )
    return np.stack([red, green, blue], axis=-1).astype(np.float32)


def tone_map(light: np.ndarray) -> np.ndarray:
    """Return light as a picture, uint8: its median is middle grey, and only suns are cut off."""
    light = np.nan_to_num(light, posinf=_BRIGHTEST).clip(0, _BRIGHTEST)
    scaled = light * (_MIDDLE_GREY / max(float(np.median(light)), 1e-6))
    return (255 * (scaled / (1 + scaled)) ** (1 / 2.2) + 0.5).astype(np.uint8)
