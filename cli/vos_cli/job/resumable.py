"""A job's stream and sinks, saved together from time to time and taken up again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from vos.errors import Cancelled, ResumeError
from vos.frame import Frame, FrameResult
from vos.io.queues import WriteBehind
from vos.io.results.checkpoints import (
    Checkpoint,
    SavedState,
    as_count,
    saved_by_another,
)
from vos.io.results.folder import OutputFolder
from vos.io.write.sink import Sink
from vos_cli.console.progress import Progress

if TYPE_CHECKING:
    from vos.stream import Stream
    from vos_cli.job.null_model import NullStream

Open = Callable[[Mapping[str, SavedState], ExitStack], tuple["Stream | NullStream", list[Sink]]]

Written = tuple[Frame, FrameResult]

WRITTEN_BEHIND = 4
"""Frames that wait for a sink, at most; each sink has a thread of its own."""

LIVE = "live"
"""Says of a saved state that it is of a live source, which no run continues."""

_STREAM = "stream"
_MOST_OF_THE_TIME = 0.02


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a run had come when it saved.

    next_idx: index of the first frame without a result. cuts: first frames of scenes so far.
    stats_bytes: of `stats.jsonl`, None where none is written.
    """

    next_idx: int
    cuts: tuple[int, ...]
    stats_bytes: int | None


def reached(state: Mapping[str, Any]) -> Reached | None:
    """What a checkpoint of `ResumableRun` says; None where there was no result yet.

    Raises ResumeError where it says nothing that this version understands.
    """
    with saved_by_another():
        values = state["values"]
        if LIVE in values:
            raise ResumeError(
                "a live source was tracked here and the run was killed, so that nothing can go on; "
                "what it wrote is in the hidden folder .NAME.part beside"
            )
        stream, stats = values[_STREAM], values.get("stats")
        if "done" in stream:  # of `NullStream`
            next_idx, count = map(as_count, stream["done"])
        else:
            count = as_count(stream["frames"])
            next_idx = as_count(stream["frame_idx"]) + 1 if count else 0
        if not count:
            return None
        stats_bytes = None if stats is None else as_count(stats["file"]["bytes"])
        return Reached(next_idx, tuple(map(as_count, stream["cuts"]["found"])), stats_bytes)


class ResumableRun:
    """The stream and the sinks of one job. Made with `resume_or_start`; a context manager.

    notes: what may make the result differ in its last bits from that of an uninterrupted run.
    resumed_at: index of the first frame that an earlier run had not saved, None in a fresh run.
    """

    def __init__(
        self,
        folder: OutputFolder,
        open_parts: Open,
        saved: Checkpoint | None,
        period_s: float,
        *,
        is_eager: bool = False,
    ) -> None:
        self._folder = folder
        self._period_s = period_s
        self._due = time.monotonic() + (0 if is_eager else period_s)
        reading = nullcontext() if saved is None else saved_by_another()
        with ExitStack() as stack:
            with reading:
                self.stream, self.sinks = open_parts({} if saved is None else _parts(saved), stack)
                notes = [] if saved is None else _notes(saved, self.stream.machine())
                if saved is not None:
                    for sink in self.sinks:
                        sink.check_resumed(self.stream.frames, self.stream.next_idx - 1)
            self._stack = stack.pop_all()
        self._machine = self.stream.machine()
        self.notes = notes
        self.resumed_at = None if saved is None else self.stream.next_idx

    def run(self, progress: Progress) -> None:
        """Do what is left, saving every `period_s` seconds; 0 saves after every frame."""
        if self.resumed_at is not None:
            progress.skip(self.stream.steps)
        for _ in self.stream.backward():
            progress.advance()
            self._save_if_due()
        starts = [sink.replay_from for sink in self.sinks if sink.replay_from is not None]
        results = self.stream.results(min(starts, default=None), self._replay)
        with ExitStack() as stack:
            queues = [
                stack.enter_context(WriteBehind(partial(_write, sink), WRITTEN_BEHIND))
                for sink in self.sinks
            ]
            for one in results:
                for queue in queues:
                    queue.put(one)
                del one  # not held while the next ones are made
                try:
                    progress.advance()
                except Cancelled:  # between two frames, so that nothing of them need be lost
                    self._save_now(queues)
                    raise
                self._save_if_due(queues)

    def _replay(self, frame: Frame) -> None:
        for sink in self.sinks:
            if sink.replay_from is not None and frame.frame_idx >= sink.replay_from:
                sink.replay(frame)

    def _save_if_due(self, queues: Sequence[WriteBehind[Written]] = ()) -> None:
        started = time.monotonic()
        if started < self._due:
            return
        self._save_now(queues)
        now = time.monotonic()
        pause = max(self._period_s, (now - started) / _MOST_OF_THE_TIME)
        self._due = now + (pause if self._period_s else 0)

    def _save_now(self, queues: Sequence[WriteBehind[Written]]) -> None:
        for queue in queues:
            queue.drain()
        self._save()

    def _save(self) -> None:
        """Sinks first: what the checkpoint promises must be on the disk before it."""
        states = {sink.name: sink.checkpoint() for sink in self.sinks}
        states[_STREAM] = self.stream.checkpoint()
        header = {
            "values": {name: state.values for name, state in states.items()},
            "machine": self._machine,
            "notes": self.notes,
        }
        self._folder.save(header, {name: state.blob for name, state in states.items()})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def resume_or_start(
    folder: OutputFolder,
    open_parts: Open,
    *,
    period_s: float,
    is_eager: bool = False,
    warn: Callable[[str], None],
) -> ResumableRun:
    """The work that an earlier run left in the folder, or all of it.

    open_parts: makes the stream and the sinks, new or from saved states by name, and enters them
    into the stack. is_eager: save after the first frame already. warn: told of saved states that
    cannot be used.
    """
    problems = [f"{folder.damaged} of its checkpoints damaged"] if folder.damaged else []
    for saved in folder.saved:
        try:
            work = ResumableRun(folder, open_parts, saved, period_s, is_eager=is_eager)
        except ResumeError as error:
            problems.append(str(error))
            continue
        for problem in problems:
            warn(f"interrupted run: {problem}; an older checkpoint is used")
        folder.continue_from(saved)
        return work
    for problem in problems:
        warn(f"interrupted run: {problem}; tracking starts again from the beginning")
    if folder.saved:
        folder.restart()
    return ResumableRun(folder, open_parts, None, period_s, is_eager=is_eager)


def _write(sink: Sink, one: Written) -> None:
    sink.write(*one)


def _parts(saved: Checkpoint) -> dict[str, SavedState]:
    values = saved.header["values"]
    return {name: SavedState(values[name], saved.parts[name]) for name in values}


def _notes(saved: Checkpoint, machine: Mapping[str, Any]) -> list[str]:
    notes = saved.header["notes"]
    if not isinstance(notes, list):
        raise TypeError("notes are a list of texts")
    return [*map(str, notes), *_changes(saved.header["machine"], machine)]


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name, value in now.items():
        if before.get(name) != value:
            yield (
                f"an interrupted run was continued with {name} {value} instead of "
                f"{before.get(name)}; masks may differ in the last bits from an uninterrupted run's"
            )
