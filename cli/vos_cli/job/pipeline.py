"""What a job is made of: the stream that gives results and the sinks that write them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from vos.io.read.source import Source
from vos.io.results.checkpoints import SavedState
from vos.io.results.folder import OutputFolder
from vos.io.results.layout import MATTES_NAME
from vos.io.write.registry import OutputPlace, open_sinks
from vos.io.write.sink import Sink

if TYPE_CHECKING:
    from vos.api import Tracker
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
    device = "cpu" if tracker is None else str(tracker.model.device)
    place = OutputPlace(folder.part, folder.work, source.info, device)
    sinks = open_sinks(job.settings.save, place, saved)
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
    from vos.track.lookout import Lookout

    stream = Stream(
        tracker,
        source,
        job.prompts,
        start=job.start,
        end=job.end,
        direction=job.direction,
        scene_cuts=job.settings.scene_cuts,
        spool=folder.work / "spool",
        draws_overlay="overlay" in job.settings.save,
        soft=MATTES_NAME in job.settings.save,
        lookout=None if job.every is None else Lookout(job.every),
        resume=resume,
    )
    return stack.enter_context(stream)
