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
    from vos.errors import (
        FrameError,
        InputError,
        ModelError,
        PromptError,
        UsageError,
        VosError,
        VosWarning,
    )
    from vos.frame import Frame, FrameResult, ObjectResult
    from vos.io.live.source import LiveFrame, LiveSource, open_live
    from vos.io.read.open import open_source
    from vos.io.read.source import Source, SourceInfo
    from vos.io.results.checkpoints import SavedState
    from vos.io.write.sink import Sink
    from vos.loading import load, segment_image
    from vos.model.options import ModelOptions
    from vos.own_frames import Footage
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
    from vos.refine.base import NoRefiner, Refiner
    from vos.track.compose import ObjectLogits
    from vos.track.everything import Everything
    from vos.track.image import ImageSegmenter
    from vos.track.lookout import Lookout, Newcomer
    from vos.track.memory_bank import MemoryBank
    from vos.track.policy import Fifo, MemoryPolicy
    from vos.track.session import Session

_HOME = {
    "Tracker": "vos.api",
    "FrameError": "vos.errors",
    "InputError": "vos.errors",
    "ModelError": "vos.errors",
    "PromptError": "vos.errors",
    "UsageError": "vos.errors",
    "VosError": "vos.errors",
    "VosWarning": "vos.errors",
    "Frame": "vos.frame",
    "FrameResult": "vos.frame",
    "ObjectResult": "vos.frame",
    "LiveFrame": "vos.io.live.source",
    "LiveSource": "vos.io.live.source",
    "open_live": "vos.io.live.source",
    "open_source": "vos.io.read.open",
    "Source": "vos.io.read.source",
    "SourceInfo": "vos.io.read.source",
    "SavedState": "vos.io.results.checkpoints",
    "Sink": "vos.io.write.sink",
    "load": "vos.loading",
    "segment_image": "vos.loading",
    "ModelOptions": "vos.model.options",
    "Footage": "vos.own_frames",
    "Absent": "vos.prompts",
    "Box": "vos.prompts",
    "MaskPrompt": "vos.prompts",
    "Points": "vos.prompts",
    "Polygon": "vos.prompts",
    "Prompt": "vos.prompts",
    "Scribble": "vos.prompts",
    "load_prompts": "vos.prompts",
    "save_prompts": "vos.prompts",
    "NoRefiner": "vos.refine.base",
    "Refiner": "vos.refine.base",
    "ObjectLogits": "vos.track.compose",
    "Everything": "vos.track.everything",
    "ImageSegmenter": "vos.track.image",
    "Lookout": "vos.track.lookout",
    "Newcomer": "vos.track.lookout",
    "MemoryBank": "vos.track.memory_bank",
    "Fifo": "vos.track.policy",
    "MemoryPolicy": "vos.track.policy",
    "Session": "vos.track.session",
}

__all__ = [
    "Absent",
    "Box",
    "Everything",
    "Fifo",
    "Footage",
    "Frame",
    "FrameError",
    "FrameResult",
    "ImageSegmenter",
    "InputError",
    "LiveFrame",
    "LiveSource",
    "Lookout",
    "MaskPrompt",
    "MemoryBank",
    "MemoryPolicy",
    "ModelError",
    "ModelOptions",
    "Newcomer",
    "NoRefiner",
    "ObjectLogits",
    "ObjectResult",
    "Points",
    "Polygon",
    "Prompt",
    "PromptError",
    "Refiner",
    "SavedState",
    "Scribble",
    "Session",
    "Sink",
    "Source",
    "SourceInfo",
    "Tracker",
    "UsageError",
    "VosError",
    "VosWarning",
    "__version__",
    "load",
    "load_prompts",
    "open_live",
    "open_source",
    "save_prompts",
    "segment_image",
]

if not TYPE_CHECKING:  # a type checker knows the names above, and no others

    def __getattr__(name: str) -> Any:
        home = _HOME.get(name)
        if home is None:
            raise AttributeError(f"module 'vos' has no attribute {name!r}")
        return getattr(import_module(home), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
