"""What a job is made of: the stream that gives results and the sinks that write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from vos.io.read.source import Source, SourceInfo
from vos.io.results.checkpoints import SavedState
from vos.io.results.folder import OutputFolder
from vos.io.results.layout import MASKS_NAME, OVERLAY_NAME, STATS_NAME
from vos.io.write.sink import Sink

if TYPE_CHECKING:
    from vos.api import Tracker
    from vos.io.write.overlay.sink import OverlaySink
    from vos.stream import Stream
    from vos_cli.job.job import Job
    from vos_cli.job.null_model import NullStream


def open_pipeline(
    job: Job,
    source: Source,
    tracker: Tracker | None,
    folder: OutputFolder,
    saved: Mapping[str, SavedState],
    stack: ExitStack,
) -> tuple[Stream | NullStream, list[Sink]]:
    """The job's stream and sinks, new or as saved, entered into the stack.

    tracker: None for the null model.
    """
    stream = _stream(job, source, tracker, folder, saved.get("stream"), stack)
    sinks = _sinks(job.settings.save, folder, source.info, saved)
    return stream, [stack.enter_context(sink) for sink in sinks]


def _stream(
    job: Job,
    source: Source,
    tracker: Tracker | None,
    folder: OutputFolder,
    resume: SavedState | None,
    stack: ExitStack,
) -> Stream | NullStream:
    if tracker is None:
        from vos_cli.job.null_model import NullStream

        return NullStream(
            source,
            job.prompts,
            start=job.start,
            end=job.end,
            scene_cuts=job.settings.scene_cuts,
            resume=resume,
        )
    from vos.stream import Stream

    stream = Stream(
        tracker,
        source,
        job.prompts,
        start=job.start,
        end=job.end,
        direction=job.direction,
        scene_cuts=job.settings.scene_cuts,
        spool=folder.work / "spool",
        resume=resume,
    )
    return stack.enter_context(stream)


def _sinks(
    save: tuple[str, ...], folder: OutputFolder, info: SourceInfo, saved: Mapping[str, SavedState]
) -> Iterator[Sink]:
    from vos.io.write.sink import MaskSink
    from vos.io.write.stats import StatsSink

    part, work = folder.part, folder.work
    if "masks" in save:
        yield MaskSink(part / MASKS_NAME, work=work, resume=saved.get("masks"))
    if "overlay" in save:
        yield overlay_sink(part / OVERLAY_NAME, info, work=work, resume=saved.get("overlay"))
    if "stats" in save:
        yield StatsSink(part / STATS_NAME, resume=saved.get("stats"))


def overlay_sink(
    path: Path, info: SourceInfo, *, work: Path | None = None, resume: SavedState | None = None
) -> OverlaySink:
    """Draws over the source of that description, with its sound."""
    from vos.io.write.overlay.sink import OverlaySink

    return OverlaySink(
        path,
        time_base=info.time_base,
        frame_rate=info.average_rate,
        audio_from=info.path if info.has_audio else None,
        audio_start_time=info.start_time,
        work=work,
        resume=resume,
    )
