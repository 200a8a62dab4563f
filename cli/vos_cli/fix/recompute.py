"""Corrected frames to new masks: memories, the corrected frame, the way back, then the way on.

Only the corrected objects are computed; all of one frame go through the model together. Where they
overlap the highest logit wins, as in tracking; `overlap` has the rule for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from vos.errors import InputError
from vos.frame import Frame
from vos.io.paths import display_name
from vos.io.queues import Prefetch, prefetch
from vos.io.read.source import Source
from vos.prompts import Absent, Prompt
from vos.prompts.absence import Absences
from vos.track.compose import label_map
from vos.track.from_masks import KnownMask, remember_masks
from vos.track.mattes import matte_pixels
from vos.track.memory_bank import MemoryBank
from vos.track.session import Session
from vos_cli.fix.agreement import Agreement
from vos_cli.fix.draft import Draft
from vos_cli.fix.exact import exact_masks, with_exact
from vos_cli.fix.overlap import hand_on, laid_over
from vos_cli.fix.plan import Course, Span
from vos_eval.metrics.region import jaccard

if TYPE_CHECKING:
    from vos.api import Tracker

OnFrame = Callable[[int], None]

_FIRST_WINDOW = 64


@dataclass(frozen=True, slots=True)
class Setting:
    """What all courses of one correction have in common.

    frames: of the result. prompts: all of them, corrections included. new_objects: ids that the
    result does not have. resets: first frames of the
    scenes in which only prompted frames are remembered. is_soft: whether mattes are made too.
    on_frame: told of each frame that is done;
    what it raises ends the work.
    """

    tracker: Tracker
    source: Source
    frames: range
    draft: Draft
    prompts: Sequence[Prompt]
    new_objects: Collection[int]
    resets: Collection[int]
    is_soft: bool
    on_frame: OnFrame


def recompute(setting: Setting, courses: Sequence[Course]) -> list[Span]:
    """Compute into the draft. courses: of one corrected frame, which go the same way first."""
    return _Recompute(setting, courses).run()


class _Recompute:
    def __init__(self, setting: Setting, courses: Sequence[Course]) -> None:
        self._setting = setting
        self._courses = {course.object_id: course for course in courses}
        self._frame_idx, self._reverse = courses[0].frame_idx, courses[0].reverse
        # Only a folder's length is certain, as for `Stream`.
        info = setting.source.info
        self._count = info.frame_count if info.kind != "video" else None
        self._absences = Absences.of(setting.prompts)
        self._first_agreement: dict[int, Agreement] = {}
        self._ends: dict[bool, dict[int, tuple[int, bool]]] = {False: {}, True: {}}

    def run(self) -> list[Span]:
        banks = {i: self._anchored(one) for i, one in self._courses.items() if one.anchors}
        with self._reading(self._begin, reverse=self._reverse) as frames:
            recent, frame = self._up_to_corrected(frames)
            banks = self._remember(banks, recent)
            shown = {i for i, course in self._courses.items() if course.absent is None}
            prompts = self._prompts_on(self._frame_idx, shown)
            prompts += self._absent_among(lambda absent: absent)
            session = self._session(self._reverse, prompts, banks)
            self._correct(session, frame)
            # The way back first: where the masks before the corrected frame were wrong too, the way
            # on then starts from memories of right ones.
            corrected = {i: bank for i, bank in session.banks.items() if i in shown}
            self._follow_back(corrected)
            banks = dict(session.banks) | self._remember(_without_recent(corrected), recent)
            left = self._absent_among(lambda absent: absent[:-1] if self._reverse else absent[1:])
            self._follow(self._session(self._reverse, left, banks), frames)
        return [self._span(course) for course in self._courses.values()]

    def _absent_among(self, some: Callable[[range], range]) -> list[Prompt]:
        """What says that objects are absent, on some of the frames where they are."""
        spans = {i: some(one.absent) for i, one in self._courses.items() if one.absent is not None}
        return [Absent(i, span[0], span[-1]) for i, span in spans.items() if span]

    @property
    def _begin(self) -> int:
        """The furthest frame that is remembered before the corrected one, or that one."""
        if not any(course.anchors for course in self._courses.values()):
            return self._frame_idx
        away = self._setting.tracker.model.pointer_span - 1
        return self._frame_idx + (away if self._reverse else -away)

    def _up_to_corrected(self, frames: Iterator[Frame]) -> tuple[list[Frame], Frame]:
        """The frames to remember, at most as many as a memory has, and the corrected one."""
        recent: list[Frame] = []
        for frame in frames:
            if frame.frame_idx == self._frame_idx:
                return recent, frame
            recent.append(frame)
        raise InputError(
            f"{display_name(self._setting.source.info.path)}: ends before frame "
            f"{self._frame_idx}; it is not the input of this result any more"
        )

    def _remember(
        self, banks: Mapping[int, MemoryBank], recent: Iterable[Frame]
    ) -> dict[int, MemoryBank]:
        """Remember these frames' masks as they are now."""
        banks = dict(banks)
        for frame in recent:
            fresh = (
                i
                for i, course in self._courses.items()
                if course.anchors and not course.absent and frame.frame_idx not in course.anchors
            )
            gone = [i for i in banks if self._absences.hold(i, frame.frame_idx)]
            banks |= _without_recent({i: banks[i] for i in gone})
            if self._is_after_cut(frame, reverse=self._reverse):
                banks = _without_recent(banks)
            known = self._known(frame.frame_idx, fresh)
            banks = remember_masks(self._setting.tracker.engine, banks, frame, known)
        # A prompt that ends an absence starts from prompted frames alone, as in tracking.
        before = self._frame_idx + (1 if self._reverse else -1)
        ended = {i: bank for i, bank in banks.items() if self._absences.hold(i, before)}
        return banks | _without_recent(ended)

    def _is_after_cut(self, frame: Frame, *, reverse: bool) -> bool:
        """Whether the track forgot all but prompted frames before this one."""
        begun = frame.frame_idx + 1 if reverse else frame.frame_idx
        return begun in self._setting.resets

    def _follow_back(self, banks: Mapping[int, MemoryBank]) -> None:
        """Away from the corrected frame towards those it remembers. Prompted frames are remembered
        from both sides.
        """
        turned = {
            i: replace(bank, prompted=bank.prompted[-1:] + bank.prompted[:-1])
            for i, bank in _without_recent(banks).items()
        }
        session = self._session(not self._reverse, (), turned)
        begin = self._frame_idx + (1 if self._reverse else -1)
        if any(course.holds(begin) for course in self._courses.values()):
            with self._reading(begin, reverse=not self._reverse) as frames:
                self._follow(session, frames)

    def _anchored(self, course: Course) -> MemoryBank:
        """What the object's prompted frames left: its first prompt is asked again, of others the
        mask is enough.
        """
        object_id, engine = course.object_id, self._setting.tracker.engine
        banks: Mapping[int, MemoryBank] = {}
        for frame_idx in course.anchors:
            frame = next(self._setting.source.frames(frame_idx, frame_idx + 1))
            if frame_idx == course.origin:
                prompts = self._prompts_on(course.origin, (object_id,))
                session = self._session(course.reverse, prompts, banks)
                session.decode(frame)
                banks = session.banks
            else:
                known = self._known(frame_idx, (object_id,))
                banks = remember_masks(engine, banks, frame, known, prompted=True)
        return banks[object_id]

    def _known(self, frame_idx: int, objects: Iterable[int]) -> dict[int, KnownMask]:
        """Of those that exist on this frame."""
        draft = self._setting.draft
        labels, scores = draft.labels(frame_idx), draft.scores(frame_idx)
        return {i: KnownMask(labels == i, scores[i]) for i in objects if i in scores}

    def _correct(self, session: Session, frame: Frame) -> None:
        for i, (old, new) in self._compute(session, frame).items():
            self._first_agreement[i] = Agreement.after(jaccard(old, new))
            for way in self._ends.values():
                way[i] = frame.frame_idx, False

    def _follow(self, session: Session, frames: Iterator[Frame]) -> None:
        """Up to each object's limit, or until its masks are the old ones again."""
        ends, agreement = self._ends[session.reverse], dict(self._first_agreement)
        for frame in frames:
            for i in list(session.banks):
                if agreement[i].is_reached or not self._courses[i].holds(frame.frame_idx):
                    session.remove_object(i)
            if not session.banks:
                return
            for i, (old, new) in self._compute(session, frame).items():
                agreement[i] = agreement[i].seen(old, new)
                ends[i] = frame.frame_idx, agreement[i].is_reached

    def _compute(self, session: Session, frame: Frame) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """One frame into the draft; the old and the new mask of each object of the session."""
        draft = self._setting.draft
        if self._is_after_cut(frame, reverse=session.reverse):
            session.forget_recent()
        decoded = session.decode(frame)
        logits = {i: one.logits for i, one in sorted(decoded.items())}
        exact = exact_masks(self._setting.prompts, frame.frame_idx, decoded, frame.size_hw)
        labels = with_exact(label_map(logits, frame.size_hw), exact)
        old = draft.labels(frame.frame_idx)
        scores = draft.scores(frame.frame_idx) | {i: one.scores for i, one in decoded.items()}
        new = laid_over(old, labels, decoded, self._setting.new_objects)
        mattes: dict[int, np.ndarray] = {}
        if self._setting.is_soft and logits:
            made = matte_pixels(logits, frame.size_hw).cpu().numpy()
            mattes = dict(zip(logits, made, strict=True))
            mattes |= {i: mask.astype(np.uint8) * 255 for i, mask in exact.items()}
            others = scores.keys() - logits.keys()
            new = hand_on(old, new, others, partial(draft.matte, frame.frame_idx))
        draft.put(frame, new, scores, mattes)
        self._setting.on_frame(frame.frame_idx)
        return {i: (old == i, labels == i) for i in decoded}

    def _reading(self, begin: int, *, reverse: bool) -> Prefetch[Frame]:
        """The result's frames from `begin` on, up to where the last object ends."""
        source, frames = self._setting.source, self._setting.frames
        if reverse:
            low = min(course.low for course in self._courses.values())
            read = _reversed(source, min(begin, frames[-1]), low)
        else:
            high = max(course.high for course in self._courses.values())
            read = source.frames(None, high + 1, skip_to=max(begin, frames[0]))
        return prefetch(read)

    def _session(
        self, reverse: bool, prompts: Sequence[Prompt], banks: Mapping[int, MemoryBank]
    ) -> Session:
        return self._setting.tracker.session(
            prompts, reverse=reverse, frame_count=self._count, banks=banks
        )

    def _prompts_on(self, frame_idx: int, objects: Iterable[int]) -> list[Prompt]:
        return [
            prompt
            for prompt in self._setting.prompts
            if prompt.frame_idx == frame_idx and prompt.object_id in objects
        ]

    def _span(self, course: Course) -> Span:
        (first, agrees_before), (last, agrees_after) = (
            self._ends[way][course.object_id] for way in (True, False)
        )
        return Span(
            course.object_id,
            course.frame_idx,
            first,
            last,
            before="agrees" if agrees_before else course.before,
            after="agrees" if agrees_after else course.after,
        )


def _without_recent(banks: Mapping[int, MemoryBank]) -> dict[int, MemoryBank]:
    return {i: bank.without_recent() for i, bank in banks.items()}


def _reversed(source: Source, begin: int, low: int) -> Iterator[Frame]:
    """From `begin` down to `low`. A video is read forward first, and most ways are short: so only a
    few frames are made pictures of at once, then twice as many.
    """
    count = _FIRST_WINDOW
    while begin >= low:
        last = max(low, begin - count + 1)
        yield from source.frames_reversed(begin, last)
        begin, count = last - 1, 2 * count
