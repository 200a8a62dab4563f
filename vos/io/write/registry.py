"""Every sink by the name that `--save` gives it. A new sink is one more entry of `SINKS`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vos.io.results.checkpoints import SavedState
from vos.io.results.layout import MASKS_NAME, MATTES_NAME, OVERLAY_NAME, STATS_NAME

if TYPE_CHECKING:
    from vos.io.read.source import SourceInfo
    from vos.io.write.sink import Sink


@dataclass(frozen=True, slots=True)
class OutputPlace:
    """Where a sink writes, and of which source.

    folder: the output while it is being made.
    work: folder for what only a resumed run needs; not part of the output.
    info: the source that is tracked.
    device: where the model runs, as torch names it: "cpu", "cuda:0"; what else may work there.
    """

    folder: Path
    work: Path
    info: SourceInfo
    device: str = "cpu"


OpenSink = Callable[[OutputPlace, SavedState | None], "Sink"]
"""Opens a new sink, or one that resumes from the state that its `checkpoint` returned."""


# Each imports its sink only when it is opened: encoders and Pillow load slowly.
def _open_masks(place: OutputPlace, resume: SavedState | None) -> Sink:
    from vos.io.write.masks import MaskSink

    return MaskSink(place.folder / MASKS_NAME, work=place.work, resume=resume)


def _open_mattes(place: OutputPlace, resume: SavedState | None) -> Sink:
    from vos.io.write.mattes import MatteSink

    return MatteSink(place.folder / MATTES_NAME, work=place.work, resume=resume)


def _open_overlay(place: OutputPlace, resume: SavedState | None) -> Sink:
    from vos.io.write.overlay.sink import OverlaySink

    path = place.folder / OVERLAY_NAME
    return OverlaySink.for_source(
        path, place.info, device=place.device, work=place.work, resume=resume
    )


def _open_stats(place: OutputPlace, resume: SavedState | None) -> Sink:
    from vos.io.write.stats import StatsSink

    return StatsSink(place.folder / STATS_NAME, resume=resume)


SINKS: dict[str, OpenSink] = {
    "masks": _open_masks,
    MATTES_NAME: _open_mattes,
    "overlay": _open_overlay,
    "stats": _open_stats,
}


def open_sinks(
    names: Collection[str], place: OutputPlace, saved: Mapping[str, SavedState]
) -> Iterator[Sink]:
    """Open the sinks of these names, in the order of `SINKS`.

    saved: by name, the states of the sinks that resume.
    """
    for name, open_sink in SINKS.items():
        if name in names:
            yield open_sink(place, saved.get(name))
