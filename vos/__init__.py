"""Video object segmentation: one prompt on one frame, a precise mask on every frame.

    import vos
    tracker = vos.load("auto")
    for result in tracker.track("video.mp4", prompts=[vos.Box(1, (100, 50, 400, 300))]):
        result.frame_idx, result.pts, result.masks[1]
    vos.segment_image("photo.jpg", [vos.Box(1, (100, 50, 400, 300))]).masks[1]

Names load on first use, so importing `vos` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vos.version import __version__

if TYPE_CHECKING:
    from vos.api import Tracker
    from vos.errors import VosError, VosWarning
    from vos.frame import Frame, FrameResult, ObjectResult
    from vos.loading import load, segment_image
    from vos.prompts import (
        Absent,
        Box,
        MaskPrompt,
        Points,
        Polygon,
        Prompt,
        Scribble,
        load_prompts,
        save_prompts,
    )
    from vos.track.image import ImageSegmenter

_HOME = {
    "Tracker": "vos.api",
    "load": "vos.loading",
    "segment_image": "vos.loading",
    "ImageSegmenter": "vos.track.image",
    "VosError": "vos.errors",
    "VosWarning": "vos.errors",
    "Frame": "vos.frame",
    "FrameResult": "vos.frame",
    "ObjectResult": "vos.frame",
    "Absent": "vos.prompts",
    "Box": "vos.prompts",
    "MaskPrompt": "vos.prompts",
    "Points": "vos.prompts",
    "Polygon": "vos.prompts",
    "Prompt": "vos.prompts",
    "Scribble": "vos.prompts",
    "load_prompts": "vos.prompts",
    "save_prompts": "vos.prompts",
}

__all__ = [
    "Absent",
    "Box",
    "Frame",
    "FrameResult",
    "ImageSegmenter",
    "MaskPrompt",
    "ObjectResult",
    "Points",
    "Polygon",
    "Prompt",
    "Scribble",
    "Tracker",
    "VosError",
    "VosWarning",
    "__version__",
    "load",
    "load_prompts",
    "save_prompts",
    "segment_image",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'vos' has no attribute {name!r}")
    return getattr(import_module(home), name)
