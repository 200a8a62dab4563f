"""Do one clip in a worker of any kind: track it, log it, write down how it went."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from vos.errors import BusyError, InputError, OutOfMemoryError, OutputError
from vos.io.disk import output_errors
from vos.io.inside import Inside, check_inside
from vos.io.results.layout import STATS_NAME
from vos.io.results.part import discard_part
from vos.io.write.deliver.order import place_beside
from vos.model.options import ModelOptions
from vos.settings import Settings
from vos_cli.batch.clips.clip import strip_name
from vos_cli.batch.folder import CLIPS_NAME, BatchFolder, ClipResult
from vos_cli.batch.report.highlights import low_score_spans, thumbnail_strip
from vos_cli.console.errors import Interrupted, one_line, report
from vos_cli.console.progress import Counter
from vos_cli.job import run as tracking
from vos_cli.job.deliver import Delivered, deliver
from vos_cli.job.job import Job

if TYPE_CHECKING:
    from vos.api import Tracker

PROGRESS_PERIOD_S = 0.5
_BUSY_WAIT_S = 30.0


class OnProgress(Protocol):
    """A function that is called twice a second with how far a clip is, as in `Progressed`."""

    def __call__(self, frames: int, total: int | None, skipped: int = 0) -> None: ...


@dataclass(frozen=True, slots=True)
class Task:
    """One clip for a worker.

    name: of the clip.
    job: what to do.
    folder: the batch's folder.
    frames: about how many it has, None if unknown.
    attempt: 1 for the first.
    """

    name: str
    job: Job
    folder: BatchFolder
    frames: int | None = None
    attempt: int = 1


Work = Callable[[Task, str, OnProgress], ClipResult]
"""A function that does one clip, given the worker's name and what to call with its progress."""


def run_task(task: Task, worker: str, on_progress: OnProgress) -> ClipResult:
    """Do one clip and write its log, its status and its thumbnails.

    Whatever goes wrong with the clip is in the result, be it that the disk is too full for the log.
    Raises Interrupted on Ctrl-C or SIGTERM; the clip can be resumed then.
    """
    try:
        with output_errors(task.folder.root):
            return _run_logged(task, worker, on_progress)
    except OutputError as error:
        reason = _reason(error, task.job.source)
        return _make_failure(task, worker, reason, OutputError.exit_code)


def _run_logged(task: Task, worker: str, on_progress: OnProgress) -> ClipResult:
    """Do the work of `run_task`. Raises OutputError where log or status cannot be written."""
    folder, started = task.folder, time.monotonic()
    before = folder.read_result(task.name)
    result = _make_failure(task, worker)
    with _log(folder, task.name) as log:
        _line(log, f"worker {worker}, attempt {task.attempt}: {task.job.source}")
        try:
            check_inside(folder.root, task.job.output)
            outcome = _track(task, log, on_progress)
            delivered = _deliver(task, log)
        except (KeyboardInterrupt, Interrupted):
            _line(log, "interrupted")
            raise
        except Exception as error:
            code = report(error, verbose=True, stream=log)
            result = replace(result, reason=_reason(error, task.job.source), exit_code=code)
            if code == OutOfMemoryError.exit_code:
                _drop_models()
            if code == InputError.exit_code:  # footage that is mended is tracked from its beginning
                discard_part(task.job.output)
        else:
            _line(log, outcome.summary())
            kept = before if outcome.is_skipped and before and before.state == "done" else result
            result = replace(
                kept,
                state="done",
                was_there=outcome.is_skipped,
                frames=outcome.frames,
                frames_per_s=outcome.frames_per_s or kept.frames_per_s,
                warnings=(*outcome.warnings, *(text for one in delivered for text in one.warnings)),
                delivered=tuple(f"{CLIPS_NAME}/{one.exported.output.name}" for one in delivered),
                model=outcome.model,
            )
            if kept is not before or not folder.thumbnails(task.name).exists():
                result = _with_highlights(result, task, log)
        if not result.was_there:
            result = replace(result, seconds=round(time.monotonic() - started, 3))
    folder.write_result(result)
    return result


def give_up(task: Task, worker: str, how: str) -> ClipResult:
    """Write and return the result of a clip whose workers died, the last one as `how` says."""
    result = _make_failure(
        task, worker, f"its worker died {task.attempt} times ({how}); see the log", 1
    )
    task.folder.write_result(result)
    return result


def _make_failure(task: Task, worker: str, reason: str | None = None, code: int = 0) -> ClipResult:
    return ClipResult(
        task.name,
        "failed",
        reason=reason,
        exit_code=code,
        worker=worker,
        attempts=task.attempt,
    )


def _track(task: Task, log: TextIO, on_progress: OnProgress) -> tracking.Outcome:
    """Track, waiting for a worker that died on another machine to let go of the part folder."""
    until = time.monotonic() + _BUSY_WAIT_S
    while True:
        try:
            return tracking.run(
                task.job,
                say=lambda text: _line(log, text),
                warn=lambda text: _line(log, f"warning: {text}"),
                load=_load,
                show=lambda _mode, total: _ClipProgress(total, on_progress),
            )
        except BusyError:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)


def _deliver(task: Task, log: TextIO) -> tuple[Delivered, ...]:
    """Export the clip, whose result is complete, as its settings say."""
    job = task.job
    for name in job.settings.deliver:
        check_inside(task.folder.root, place_beside(job.output, name))
    return deliver(
        job.output,
        job.settings.deliver,
        overwrite=job.overwrite,
        say=lambda text: _line(log, text),
        warn=lambda text: _line(log, f"warning: {text}"),
        show=Counter,
    )


def _load(chosen: Settings) -> Tracker | None:
    """Return the tracker for these settings; the last one used stays loaded."""
    return _load_kept(chosen.model_options)


@lru_cache(maxsize=1)
def _load_kept(options: ModelOptions) -> Tracker | None:
    return tracking.load_tracker(options)


def _drop_models() -> None:
    import torch

    _load_kept.cache_clear()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _with_highlights(result: ClipResult, task: Task, log: TextIO) -> ClipResult:
    """Add low scores and write thumbnails; a clip never fails because of them."""
    try:
        strip = thumbnail_strip(task.job.output)
        if strip is not None:
            task.folder.write(task.folder.thumbnails(task.name), strip)
        stats = task.job.output / STATS_NAME
        if stats.exists():
            result = replace(result, low_scores=low_score_spans(stats))
    except Exception as error:
        _line(log, "no thumbnails or low scores for the report:")
        report(error, verbose=True, stream=log)
    return result


def _reason(error: Exception, source: str) -> str:
    text = io.StringIO()
    report(error, verbose=False, stream=text)
    reason = text.getvalue().strip().removeprefix("vos: error: ").removeprefix("vos: ")
    return strip_name(reason, source)


@contextlib.contextmanager
def _log(folder: BatchFolder, name: str) -> Iterator[TextIO]:
    """Continue the clip's log; what libraries print on stdout and stderr goes there too."""
    path = folder.log(name)
    with output_errors(path):
        handle = Inside(folder.root).open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with os.fdopen(handle, "a", encoding="utf-8", errors="surrogateescape", buffering=1) as log:
        kept = [(number, os.dup(number)) for number in (1, 2)]
        for number, _ in kept:
            os.dup2(log.fileno(), number)
        try:
            yield log
        finally:
            for number, copy in kept:
                os.dup2(copy, number)
                os.close(copy)


def _line(log: TextIO, text: str) -> None:
    log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {one_line(text)}\n")


class _ClipProgress:
    """The progress of one clip, reported to the batch.

    total: frames to come, None when unknown.
    on_progress: called with it.
    """

    def __init__(self, total: int | None, on_progress: OnProgress):
        self.done = 0
        self._total = total
        self._on_progress = on_progress
        self._skipped = 0
        self._last = 0.0

    def __enter__(self) -> Self:
        self._report()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._report()

    def skip(self, frames: int) -> None:
        self.done += frames
        self._skipped += frames
        self._report()

    def advance(self) -> None:
        self.done += 1
        now = time.monotonic()
        if now - self._last >= PROGRESS_PERIOD_S:
            self._last = now
            self._report()

    def _report(self) -> None:
        self._on_progress(self.done, self._total, self._skipped)
