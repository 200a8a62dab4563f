"""One video through a tracker, in a form that can be left and resumed between two frames."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch

from vos.frame import Frame, FrameResult
from vos.io.queues import map_ahead, one_ahead, prefetch
from vos.io.read.scene_cuts import CutState, CutWatch, SceneCuts
from vos.io.read.source import Source, TimePoint
from vos.io.results.append_file import AppendFile
from vos.io.results.checkpoints import SavedState, as_count
from vos.io.write.overlay.draw import overlay_colours
from vos.model.gpu.overlay import OverlayPainter
from vos.model.gpu.transfer import Uploader
from vos.passes import SessionMaker, plan_passes
from vos.prompts import Absent, Direction, Prompt
from vos.track.compose import Composing, Draw, ObjectLogits, begin_to_compose
from vos.track.lag import Waiting
from vos.track.logit_spool import LogitSpool
from vos.track.look_ahead import prepare, with_following
from vos.track.lookout import Lookout, Newcomer, Seen
from vos.track.mattes import matte_pixels
from vos.track.session import Session
from vos.track.snapshot import SessionState, from_bytes, to_bytes

PREPARED_AHEAD = 4
"""Frames resized for the model, or copied to its device, at once."""


@dataclass(frozen=True, slots=True)
class _Reached:
    """What the frames after this one depend on: the session's state, and the cuts so far."""

    state: SessionState | None
    cuts: CutWatch


class Stream:
    """The results of one video: first the backward pass, where wanted, then the frames in order.

    prompts: at least one, or none with a lookout.
    start (inclusive), end (exclusive): frame index, or seconds as a Fraction.
    direction: "forward", "backward" or "both".
    scene_cuts: whether to look for them and what to do there: "mark" only notes them, "stop" ends
        at the first one behind the last prompted frame, "reset" forgets all but prompted frames.
    spool: file for what the backward pass leaves; None for a temporary one.
    draws_overlay: whether results carry their overlay where frames are on a GPU anyway.
    soft: whether results have mattes.
    lookout: how new objects are found without a prompt, going forward; None to look for none.
    resume: what `checkpoint` returned in a run with the same tracker, source and arguments, and the
        same `spool`; the results are those of that run from the checkpoint on, to the last bit.
        Prompts on frames after it may be others.

    cuts: the scene cuts of the results so far, and where one ended the stream.
    frame_idx: of the frame done last in this pass, None at its start.
    steps: how many frames are done in both passes, those before `resume` included.
    frames: how many results are given, those before `resume` included.

    Raises: PromptError without prompts, UsageError for another direction, or a lookout in one that
    is not forward, ResumeError if the spool is not the one that `resume` was saved with.
    """

    def __init__(
        self,
        tracker: SessionMaker,
        source: Source,
        prompts: Sequence[Prompt],
        *,
        start: TimePoint | None = None,
        end: TimePoint | None = None,
        direction: Direction = "forward",
        scene_cuts: SceneCuts = "off",
        spool: Path | None = None,
        draws_overlay: bool = False,
        soft: bool = False,
        lookout: Lookout | None = None,
        resume: SavedState | None = None,
    ) -> None:
        passes = plan_passes(
            tracker,
            source.info,
            prompts,
            direction=direction,
            scene_cuts=scene_cuts,
            soft=soft,
            lookout=lookout,
        )
        self._source, self._start, self._end = source, start, end
        self._backward, self._forward = passes.backward, passes.forward
        self._top_idx, self._cuts_below, self.cuts = passes.top_idx, passes.cuts_below, passes.cuts
        self._soft = soft
        self._model, self._device = tracker.model, tracker.model.device
        self._upload = Uploader(tracker.model.device)
        self._draw: Draw | None = None
        if draws_overlay and tracker.model.resizes:
            self._draw = _painter(tracker.model.device).draw_yuv
        self.frame_idx: int | None = None
        self.steps = self.frames = 0
        # What the frame that was done last left; the next one may have begun.
        self._reached: _Reached | None = None
        self._spool_file = AppendFile(spool, resume and resume.values["spool"])
        self._spool = LogitSpool(self._spool_file)
        if resume is not None:
            self._resume(resume)

    @property
    def next_idx(self) -> int:
        """Return the index of the frame that comes next, if there is one."""
        if self.frame_idx is None:
            return 0 if self._backward is None else self._top_idx
        return self.frame_idx + 1 if self._backward is None else max(self.frame_idx - 1, 0)

    @property
    def found(self) -> tuple[Newcomer, ...]:
        """Return the objects that were found without a prompt on the frames done so far."""
        return self.seen.newcomers

    @property
    def seen(self) -> Seen:
        """Return what the lookout has found on the frames done so far."""
        session = self._forward
        if self._reached is not None and self._reached.state is not None:
            return self._reached.state.seen
        return Seen() if session is None else session.snapshot().seen

    def machine(self) -> dict[str, Any]:
        """Return what decides the last bits of a result besides tracker, source and arguments."""
        is_gpu = self._device.type == "cuda"
        return {
            "device": torch.cuda.get_device_name(self._device) if is_gpu else self._device.type,
            "instruction set": torch.backends.cpu.get_cpu_capability(),
            "threads": torch.get_num_threads(),
        }

    def backward(self) -> Iterator[int]:
        """Run what is left of the backward pass; yield the index of each frame done."""
        if self._backward is None:
            return
        first = _find_index(self._source, self._start)
        skip_to = None if self.frame_idx is None else self.frame_idx - 1
        if skip_to is None or skip_to >= first:
            source = self._source.frames_reversed(self._top_idx, first, skip_to=skip_to)
            size = self._backward.look_ahead
            with (
                prefetch(self._cuts_below.look(source)) as read,
                closing(self._prepare_ahead(read, 0)) as frames,
            ):
                begun = self._begin_backward(
                    self._backward, with_following(frames, size, reverse=True)
                )
                for frame_idx, objects, state in one_ahead(begun):
                    self._spool.put(frame_idx, objects)
                    self._reach(frame_idx, state)
                    yield frame_idx
        self._backward.check_all_used()
        self._backward = self._reached = self.frame_idx = None

    def results(
        self,
        replay_from: int | None = None,
        replay: Callable[[Frame], None] = lambda _frame: None,
    ) -> Iterator[tuple[Frame, FrameResult]]:
        """Yield what is left of the results, after the backward pass.

        replay: called first with the frames from `replay_from` on whose results an earlier run
        gave.
        """
        next_idx = self.next_idx
        skip_to = next_idx if replay_from is None else replay_from
        source = self._source.frames(self._start, self._end, skip_to=skip_to)
        with (
            prefetch(self.cuts.look(source, next_idx)) as read,
            closing(self._prepare_ahead(read, self._first_needed_idx)) as frames,
        ):
            size = 1 if self._forward is None else self._forward.look_ahead
            begun = self._begin_results(with_following(frames, size), next_idx, replay)
            for composing, is_cut, state in one_ahead(begun):
                result = replace(composing.wait(), is_scene_cut=is_cut)
                self._reach(result.frame_idx, state)
                self.frames += 1
                if self.seen.full_at == result.frame_idx:
                    self._source.warnings.append(self.seen.full_text())
                yield composing.frame, result
                del composing, result  # not held while the next ones are made
        if self._forward is not None:
            self._forward.check_all_used()

    def _begin_backward(
        self, session: Session, frames: Iterable[tuple[Frame, CutState, tuple[Frame, ...]]]
    ) -> Iterator[tuple[int, dict[int, ObjectLogits], _Reached]]:
        """Begin the frames of the backward pass, without waiting for the device."""
        cuts = self._cuts_below
        waiting = Waiting[tuple[int, _Reached]](session)
        for frame, seen, following in waiting.watch(frames):
            if cuts.take(frame, seen):
                if cuts.ended_at is not None:
                    break
                if cuts.action == "reset":
                    yield from ((idx, was, state) for was, (idx, state) in waiting.flush())
                    session.forget_recent()
            objects = session.decode(frame, following)
            state = _Reached(session.snapshot(), cuts.copy())
            waiting.add(frame.frame_idx, objects, (frame.frame_idx, state))
            yield from ((idx, was, state) for was, (idx, state) in waiting.ready())
        yield from ((idx, was, state) for was, (idx, state) in waiting.flush())
        waiting.check()

    def _begin_results(
        self,
        frames: Iterable[tuple[Frame, CutState, tuple[Frame, ...]]],
        next_idx: int,
        replay: Callable[[Frame], None],
    ) -> Iterator[tuple[Composing, bool, _Reached]]:
        """Begin the frames of the results, without waiting for the device."""
        session = self._forward
        waiting = Waiting[tuple[Frame, bool, _Reached]](session)
        for frame, seen, following in waiting.watch(frames):
            if frame.frame_idx < next_idx:
                replay(frame)
                continue
            is_cut = self.cuts.take(frame, seen)
            if self.cuts.ended_at is not None:
                break
            objects: dict[int, ObjectLogits] = self._spool.get(frame.frame_idx)
            if session is not None:
                if is_cut and self.cuts.action == "reset":
                    yield from self._compose(waiting.flush())
                    session.forget_recent()
                objects |= session.decode(frame, following)
            state = _Reached(None if session is None else session.snapshot(), self.cuts.copy())
            waiting.add(frame.frame_idx, objects, (frame, is_cut, state))
            yield from self._compose(waiting.ready())
        yield from self._compose(waiting.flush())
        waiting.check()

    def _compose(
        self, frames: Iterable[tuple[dict[int, ObjectLogits], tuple[Frame, bool, _Reached]]]
    ) -> Iterator[tuple[Composing, bool, _Reached]]:
        """Begin to make results of frames that are decoded."""
        for objects, (frame, is_cut, state) in frames:
            if self._forward is None:
                soften = matte_pixels if self._soft else None
                yield begin_to_compose(frame, objects, make_mattes=soften), is_cut, state
            else:
                yield self._forward.compose(frame, objects, self._draw), is_cut, state

    def _reach(self, frame_idx: int, state: _Reached) -> None:
        """Note that a frame is done; what follows it may have begun."""
        self.frame_idx, self._reached = frame_idx, state
        self.steps += 1

    @property
    def _first_needed_idx(self) -> int | None:
        """Return the index of the first frame of the results that meets the model, or None."""
        if self._forward is None:
            return None
        if self._forward.lookout is not None:
            return self.next_idx
        shown = (one for one in self._forward.prompts if not isinstance(one, Absent))
        return max(self.next_idx, min(prompt.frame_idx for prompt in shown))

    def _prepare_ahead(
        self, frames: Iterable[tuple[Frame, CutState]], from_idx: int | None
    ) -> Generator[tuple[Frame, CutState], None, None]:
        """Prepare frames for the model, from this index on."""

        def work(one: tuple[Frame, CutState]) -> tuple[Frame, CutState]:
            frame, seen = one
            if from_idx is None or frame.frame_idx < from_idx:
                return one
            return prepare(frame, self._model, self._upload), seen

        return map_ahead(work, frames, PREPARED_AHEAD)

    def checkpoint(self) -> SavedState:
        """Return where this stream is, with the spool safe on the disk. Call it between frames."""
        session = self._backward or self._forward
        reached = self._reached
        if reached is None:
            cuts = self.cuts if self._backward is None else self._cuts_below
            reached = _Reached(None if session is None else session.snapshot(), cuts)
        values = {
            "is_backward": self._backward is not None,
            "frame_idx": self.frame_idx,
            "steps": self.steps,
            "frames": self.frames,
            "spool": self._spool_file.sync(),
            "cuts": reached.cuts.as_json(),
            "warnings": list(self._source.warnings),
        }
        return SavedState(values, b"" if reached.state is None else to_bytes(reached.state))

    def _resume(self, saved: SavedState) -> None:
        values = saved.values
        frame_idx = values["frame_idx"]
        self.frame_idx = None if frame_idx is None else as_count(frame_idx)
        self.steps, self.frames = as_count(values["steps"]), as_count(values["frames"])
        for text in map(str, values["warnings"]):
            if text not in self._source.warnings:
                self._source.warnings.append(text)
        if values["is_backward"]:
            self._cuts_below.resume(values["cuts"])
        else:
            self._backward = None
            self.cuts.resume(values["cuts"])
        size_hw = self._source.info.size_hw
        if self._backward is not None:
            self._backward = self._backward.resume(from_bytes(saved.blob, self._device), size_hw)
        elif self._forward is not None:
            state = from_bytes(saved.blob, self._device)
            state.seen.check(size_hw)
            if state.waiting is not None:  # of the prompts of now: those of later may be others
                state = replace(state, waiting=self._prompted_from(self.next_idx))
            self._forward = self._forward.resume(state, size_hw)

    def _prompted_from(self, first: int) -> tuple[tuple[int, int], ...]:
        """Return frame index and object id of the prompts from a frame on."""
        assert self._forward is not None
        return tuple(
            (prompt.frame_idx, prompt.object_id)
            for prompt in self._forward.prompts
            if prompt.frame_idx >= first
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._spool_file.abandon()


@lru_cache(maxsize=8)
def _painter(device: torch.device) -> OverlayPainter:
    """Return the one painter of a device, whose drawing is recorded once."""
    return OverlayPainter(*overlay_colours(), device)


def _find_index(source: Source, start: TimePoint | None) -> int:
    if start is None or isinstance(start, int):
        return start or 0
    return next(source.frames(start)).frame_idx
