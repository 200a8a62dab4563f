"""A live source tracked into a folder, until it ends, is lost for good, or Ctrl-C."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vos.errors import PromptError, UsageError
from vos.frame import Frame, FrameResult
from vos.io.live.address import LiveAddress
from vos.io.live.source import Drop, LiveFrame, LiveSource
from vos.io.queues import WriteBehind
from vos.io.read.scene_cuts import CutWatch
from vos.io.read.source import SourceInfo, is_before
from vos.io.results.fingerprint import InputFingerprint
from vos.io.results.folder import OutputFolder
from vos.io.results.layout import MASKS_NAME, MATTES_NAME, PROMPTS_NAME, STATS_NAME
from vos.io.results.manifest import Fingerprint
from vos.io.write.overlay.limits import check_overlay_size
from vos.io.write.sink import Sink
from vos.model import registry
from vos.model.files import weights as weight_file
from vos.prompts import Absent, collect, find_notes, save_prompts
from vos.prompts.file import NamedPrompts, check_size
from vos.refine.resolve import resolve_refiner
from vos.settings import Settings
from vos_cli.console.errors import Interrupted
from vos_cli.console.progress import Counter, Mode, open_progress
from vos_cli.job.check import find_policy_notes, list_parameters
from vos_cli.job.job import Job, LiveCounts, Outcome, Say
from vos_cli.job.resumable import LIVE, WRITTEN_BEHIND
from vos_cli.job.run import describe_model, list_entries, load_tracker

if TYPE_CHECKING:
    from vos.api import Tracker
    from vos.track.session import Session
    from vos_cli.job.null_model import NullSession

OVERLAY_FOLDER = "overlay"


@dataclass(frozen=True, slots=True)
class LiveJob:
    """One live source to track, and how.

    address: where it is.
    job: what to write and with which model; its prompts come once the size is known.
    drop: "old" tracks the newest frames, "none" all.
    reconnect_s: seconds for which a lost source is tried again.
    keep_s: seconds of output that stay; None for all.
    """

    address: LiveAddress
    job: Job
    drop: Drop
    reconnect_s: float
    keep_s: Fraction | None


def default_live_output(now: datetime) -> Path:
    """Return the folder of a live source whose output nobody named, in the current one."""
    return Path(f"live-{now:%Y%m%d-%H%M%S}-vos")


def check_live_job(job: Job, shown: str) -> None:
    """Refuse what only footage that can be read again and anywhere has. Raises UsageError."""
    settings = job.settings
    refusals = (
        (job.start is not None, "--start", "it begins when it is opened"),
        (job.direction != "forward", f"--direction {job.direction}", "it is seen once, forward"),
        (settings.rate is not None, "--rate", "its frames have times of their own"),
        (settings.decoder != "pyav", f"--decoder {settings.decoder}", "it is read with pyav"),
        (settings.lag > 0, "--lag", "masks are written as frames come"),
        (bool(settings.deliver), "--deliver", "export what is finished, with `vos export`"),
        (job.end == 0, "--end", "it leaves no frame; give 300f or 60s, counted from the first"),
    )
    for is_given, flag, why in refusals:
        if is_given:
            raise UsageError(f"{flag}: not for a live source ({shown}): {why}; leave it out")


def run_live(
    live: LiveJob,
    find_prompts: Callable[[tuple[int, int]], NamedPrompts],
    *,
    say: Say,
    warn: Say,
    load: Callable[[Settings], Tracker | None] = load_tracker,
    show: Callable[[Mode, int | None], Counter] = open_progress,
) -> Outcome:
    """Track what comes until it ends, Ctrl-C and SIGTERM included, and finish the folder then.

    find_prompts: gives the prompts for frames of a height and width. The rest is as in `run`.

    Raises VosError of every kind the parts raise; Interrupted on a second Ctrl-C. What was written
    by then stays in the part folder.
    """
    settings = live.job.settings
    model = registry.resolve(settings.model)
    model_sha256 = weight_file.check_sha256(model)
    refiner = resolve_refiner(settings.refiner, model.name, model_sha256)
    with LiveSource(
        live.address, drop=live.drop, reconnect_s=live.reconnect_s, on_event=warn
    ) as source:
        drawn = find_prompts(source.info.size_hw)
        job = replace(live.job, prompts=drawn.prompts, names=drawn.names)
        _check_prompts(job, drawn, source.info)
        for text in (*drawn.notes, *find_policy_notes(job, model)):
            say(text)
        say(describe_model(model, model_sha256, refiner, settings))
        parameters = list_parameters(job, source.info, refiner)
        started = datetime.now(UTC).isoformat(timespec="milliseconds")
        known = Fingerprint(_known_by(source.address, started), parameters, model_sha256)
        with OutputFolder.open(job.output, known, overwrite=job.overwrite) as folder:
            tracker = load(settings)
            progress = show(settings.progress, job.end if isinstance(job.end, int) else None)
            run = _Run(replace(live, job=job), source, tracker, folder)
            begun = time.monotonic()
            try:
                with ends_on_signals(source.stop), progress:
                    run.run(progress)
            except KeyboardInterrupt:
                raise Interrupted(f"stopped at once; {run.left_behind()}") from None
            except BaseException:
                if run.frames:
                    warn(run.left_behind())
                raise
            if not run.frames:
                raise Interrupted("stopped before a frame was tracked; there is no output")
            seconds = max(time.monotonic() - begun, 1e-9)
            notes = find_notes(job.prompts, source.info.size_hw)
            warnings = (*notes, *source.warnings, *run.warnings)
            counts = LiveCounts(
                address=source.address,
                started_at=run.started_at or started,
                drop=live.drop,
                keep_s=None if live.keep_s is None else float(live.keep_s),
                dropped=source.dropped,
                losses=tuple(asdict(loss) for loss in source.losses),
            )
            cuts = None if settings.scene_cuts == "off" else tuple(run.cuts.found)
            folder.commit(
                frame_count=run.frames,
                warnings=warnings,
                more={
                    "scene_cuts": cuts,
                    "ended_at_cut": run.cuts.ended_at,
                    "live": counts.as_json(),
                },
            )
    for text in warnings:
        warn(text)
    return Outcome(
        output=job.output,
        files=list_entries(job.output),
        frames=run.frames,
        frames_per_s=run.frames / seconds,
        model=model.name,
        model_sha256=model_sha256,
        refiner=refiner,
        warnings=warnings,
        is_skipped=False,
        scene_cuts=cuts,
        ended_at_cut=run.cuts.ended_at,
        live=counts,
    )


class _Run:
    """The frames of one live source on their way through a session into sinks.

    frames: how many are tracked. started_at: when the first came, in UTC. cuts: found so far.
    warnings: of the sinks, complete once they are closed.
    """

    def __init__(
        self, live: LiveJob, source: LiveSource, tracker: Tracker | None, folder: OutputFolder
    ) -> None:
        self._live, self._source, self._folder = live, source, folder
        self._device = "cpu" if tracker is None else str(tracker.model.device)
        self._session = _open_session(live.job, tracker)
        self.cuts = CutWatch(live.job.settings.scene_cuts, 0)
        self.frames = 0
        self.started_at: str | None = None
        self.warnings: tuple[str, ...] = ()

    def run(self, progress: Counter) -> None:
        """Track until the source or its range ends."""
        job, end = self._live.job, self._live.job.end
        path = self._folder.part / PROMPTS_NAME
        save_prompts(path, job.prompts, size_hw=self._source.info.size_hw, names=job.names)
        with ExitStack() as stack:
            sinks = [stack.enter_context(sink) for sink in self._open_sinks()]
            queues = [
                stack.enter_context(WriteBehind(partial(_write, sink), WRITTEN_BEHIND))
                for sink in sinks
            ]
            for frame, seen in self.cuts.look(iter(self._source)):
                if end is not None and not is_before(frame.frame_idx, frame.pts, end):
                    break
                is_cut = self.cuts.take(frame, seen)
                if self.cuts.ended_at is not None:
                    break
                if is_cut and self.cuts.action == "reset":
                    self._session.forget_recent()
                result = replace(self._session.track(frame), is_scene_cut=is_cut)
                self._count(frame)
                for queue in queues:
                    queue.put((frame, result))
                progress.dropped = self._source.dropped
                progress.advance()
                del frame, result  # not held while the next one is awaited
                if self.frames == end:
                    break
        self.warnings = tuple(text for sink in sinks for text in sink.warnings)

    def left_behind(self) -> str:
        """Say where the output of a run is that did not finish it."""
        if not self.frames:
            return "nothing was tracked"
        return f"what was written of {self.frames} frames is in {self._folder.part}"

    def _count(self, frame: Frame) -> None:
        if not self.frames:
            assert isinstance(frame, LiveFrame)
            self.started_at = frame.received_at
            # So that the part folder outlives a crash.
            self._folder.save({"values": {LIVE: True}}, {})
        self.frames += 1

    def _open_sinks(self) -> Iterator[Sink]:
        """Open the sinks that `--save` names, each of which deletes what is too old."""
        from vos.io.write.live.overlay import OverlayPartsSink
        from vos.io.write.live.rolling import RollingPngSink
        from vos.io.write.live.stats import LiveStatsSink
        from vos.io.write.masks import MaskSink
        from vos.io.write.mattes import MatteSink

        part, info, keep_s = self._folder.part, self._source.info, self._live.keep_s
        save = self._live.job.settings.save
        for name, kind, folder in (
            ("masks", MaskSink, MASKS_NAME),
            (MATTES_NAME, MatteSink, MATTES_NAME),
        ):
            if name in save:
                sink = kind(part / folder)
                yield sink if keep_s is None else RollingPngSink(sink, keep_s)
        if "overlay" in save:
            yield OverlayPartsSink(
                part / OVERLAY_FOLDER,
                rate=info.average_rate,
                pixel_aspect=info.frame_pixel_aspect,
                device=self._device,
                keep_s=keep_s,
            )
        if "stats" in save:
            yield LiveStatsSink(part / STATS_NAME, keep_s)


def _open_session(job: Job, tracker: Tracker | None) -> Session | NullSession:
    if tracker is None:
        from vos_cli.job.null_model import NullSession

        return NullSession(job.prompts)
    return tracker.session(job.prompts, soft=MATTES_NAME in job.settings.save)


def _check_prompts(job: Job, drawn: NamedPrompts, info: SourceInfo) -> None:
    """Refuse prompts that do not fit a live source. Raises PromptError, InputError."""
    check_size(drawn.size_hw, info.size_hw)
    if "overlay" in job.settings.save:
        check_overlay_size(info.size_hw)
    for prompt in job.prompts:
        if prompt.frame_idx or isinstance(prompt, Absent):
            raise PromptError(
                f"prompt on frame {prompt.frame_idx}: what a live source shows later nobody knows; "
                "give prompts that show objects on frame 0"
            )
    collect(job.prompts, info.size_hw)


def _known_by(shown: str, started: str) -> InputFingerprint:
    """Return what an output is known by: nothing else is ever the same input."""
    return InputFingerprint(shown, 0, sha256(f"{shown} {started}".encode()).hexdigest())


@contextmanager
def ends_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the frames; a second Ctrl-C ends the program as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.getsignal(number)
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN
    }

    def handle(number: int, _frame: Any) -> None:
        stop()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write(sink: Sink, one: tuple[Frame, FrameResult]) -> None:
    sink.write(*one)
