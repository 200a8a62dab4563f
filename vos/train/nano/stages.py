"""The stages of training nano: batches of stills and clips, of two kinds of clips."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vos.synth.config import RICH, ClipConfig

PLAIN = ClipConfig()
"""The clips of the held-out set."""


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of batch.

    size_px: side of the images.
    batch: clips in it.
    frames: per clip; 1 means still images.
    objects: prompted per clip; the encoder runs once for all of them.
    clips: what is generated.
    """

    size_px: int
    batch: int
    frames: int
    objects: int
    clips: ClipConfig = PLAIN


@dataclass(frozen=True, slots=True)
class Stage:
    """One phase of training.

    until: share of the whole budget at which it ends.
    work: kinds of batches, done in turns.
    """

    until: float
    work: tuple[Work, ...]


STILLS_128 = Work(size_px=128, batch=16, frames=1, objects=3)
STILLS_192 = Work(size_px=192, batch=8, frames=1, objects=3)
CLIPS_128 = Work(size_px=128, batch=4, frames=4, objects=3)
CLIPS_256 = Work(size_px=256, batch=2, frames=5, objects=3)


def with_rich_clips(work: Work) -> Work:
    """The same batch of `RICH` clips."""
    return replace(work, clips=RICH)


# Clips as long as an object takes to be lost and found again; half of them the held-out set's kind.
# Larger input teaches other sizes than the one that ships.
_LONG_CLIPS = (
    Work(size_px=256, batch=2, frames=8, objects=3),
    with_rich_clips(STILLS_128),
    STILLS_192,
    Work(size_px=256, batch=1, frames=16, objects=3, clips=RICH),
    STILLS_128,
    with_rich_clips(STILLS_192),
    Work(size_px=128, batch=4, frames=6, objects=3),
    Work(size_px=256, batch=4, frames=1, objects=3, clips=RICH),
    STILLS_128,
    Work(size_px=256, batch=2, frames=8, objects=3, clips=RICH),
    with_rich_clips(STILLS_128),
    Work(size_px=256, batch=4, frames=1, objects=3),
    Work(size_px=384, batch=1, frames=6, objects=3, clips=RICH),
    STILLS_192,
    with_rich_clips(STILLS_192),
)
FROM_SCRATCH = (
    Stage(until=0.25, work=(STILLS_128,)),
    Stage(until=0.40, work=(CLIPS_128,)),
    Stage(until=0.60, work=(CLIPS_256, STILLS_128, STILLS_192, with_rich_clips(STILLS_128))),
    Stage(until=1.00, work=_LONG_CLIPS),
)
CONTINUED = FROM_SCRATCH[-1:]
"""For weights that track already: they need no plateau of stills."""
