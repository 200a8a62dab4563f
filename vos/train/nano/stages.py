"""The stages of training nano: batches of stills and clips, drawn and pasted."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vos.synth.config import RICH, ClipConfig
from vos.synth.pasted import PastedConfig

PLAIN = ClipConfig()
"""The clips of the held-out set."""

SIZE_PX = 320
"""Side of most training images: the input size that ships."""


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of batch.

    size_px: side of the images.
    batch: clips in it, or in a part of it (`TrainConfig.parts`).
    frames: per clip; 1 means still images.
    objects: prompted per clip; the encoder runs once for all of them.
    clips: what is generated.
    rolled: frames at the beginning that are only tracked, without a loss, so that the model learns
        from memories that have drifted.
    """

    size_px: int
    batch: int
    frames: int
    objects: int
    clips: ClipConfig | PastedConfig = PLAIN
    rolled: int = 0


@dataclass(frozen=True, slots=True)
class Stage:
    """One phase of training.

    until: share of the whole budget at which it ends.
    work: kinds of batches, done in turns.
    trunk_from: the first of an EfficientNet trunk's 16 blocks that learns; 16 for none. A Hiera
        trunk always learns.
    """

    until: float
    work: tuple[Work, ...]
    trunk_from: int = 16


TRUNK_LEARNS_FROM = 8
"""The blocks that make stride 16's features, and those after them; what keys are made of stays."""


def _stills(clips: ClipConfig | PastedConfig = PLAIN) -> Work:
    return Work(size_px=SIZE_PX, batch=6, frames=1, objects=3, clips=clips)


def _clips(frames: int, clips: ClipConfig | PastedConfig = PLAIN) -> Work:
    return Work(size_px=SIZE_PX, batch=2, frames=frames, objects=2, clips=clips)


def _long(clips: ClipConfig | PastedConfig) -> Work:
    """Clips as long as an object takes to be lost and found again."""
    return Work(size_px=SIZE_PX, batch=2, frames=16, objects=2, clips=clips, rolled=10)


def _large(clips: ClipConfig | PastedConfig) -> Work:
    """Clips that teach other input sizes than the one that ships."""
    return Work(size_px=384, batch=1, frames=5, objects=2, clips=clips)


DRAWN = (
    _stills(RICH), _clips(6, RICH), _stills(), _long(RICH), _large(RICH), _clips(6),
)  # fmt: skip


def look_closer(pasted: PastedConfig) -> PastedConfig:
    """Return how objects are pasted that fill much of the frame.

    So they look where a box prompt is answered on a cut-out of the frame (`vos.track.zoom`).
    """
    return replace(pasted, area=(0.06, 0.4), objects=(1, 3))


def mix_with_pasted(pasted: PastedConfig) -> tuple[Work, ...]:
    """Return work on drawn clips and, somewhat more, on pasted ones, in turns."""
    near = look_closer(pasted)
    return (
        _stills(RICH), _clips(6, pasted), _stills(near), _long(RICH), _stills(pasted),
        _long(pasted), _large(RICH), _stills(near), _clips(6), _stills(pasted), _clips(6, RICH),
        _stills(near), _clips(8, pasted), _stills(), _large(pasted),
    )  # fmt: skip


def make_stages(pasted: PastedConfig | None) -> tuple[Stage, ...]:
    """Return stills first, then everything on the trunk as it came, then its last blocks too.

    pasted: None where there are no images to paste.
    """
    work = DRAWN if pasted is None else mix_with_pasted(pasted)
    stills = tuple(one for one in work if one.frames == 1)
    return Stage(0.15, stills), Stage(0.4, work), Stage(1.0, work, TRUNK_LEARNS_FROM)
