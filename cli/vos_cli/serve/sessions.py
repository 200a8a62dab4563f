"""Sessions of the API: each tracks one stream, sent frame by frame or read from a file."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vos.config import nearest
from vos.errors import PromptError, UsageError, VosError
from vos.frame import Frame, FrameResult
from vos.io.paths import display_name
from vos.io.read.open import open_source
from vos.io.read.source import Source
from vos.io.timecode import parse_rate
from vos.model import registry
from vos.model.options import ModelOptions
from vos.prompts import Prompt, check_frame_range
from vos_cli.console.errors import message
from vos_cli.serve.inputs import decode_image, find_file

if TYPE_CHECKING:
    from vos.api import Tracker
    from vos.track.session import Session

T = TypeVar("T")

MOST_MODELS = 2
"""Models that are loaded at once."""

MOST_SIDE_PX = 1024
MOST_NEXT = 64
"""Frames of a file that one request may ask for."""

_RATE = "24"


class UnknownSessionError(UsageError):
    """There is no such session, or none any more."""


class FullError(UsageError):
    """All places are taken; one becomes free when a session is closed or has long been idle."""


@dataclass(slots=True)
class Open:
    """One session.

    identity: what its client names it by; not to be guessed.
    options: of its model.
    session: what tracks.
    rate: frames per second of frames that are sent.
    source: the file that is read; None where frames are sent.
    frames: what is left of it.
    used: when it was used last.
    count: frames so far.
    is_finished: whether the file has come to its end.
    is_closed: whether nothing may be done with it any more.
    lock: held while a frame of it is tracked.
    """

    identity: str
    options: ModelOptions
    session: Session
    rate: Fraction
    source: Source | None
    frames: Iterator[Frame]
    used: float
    count: int = 0
    is_finished: bool = False
    is_closed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def as_json(self) -> dict[str, Any]:
        """Return what a client may know of it."""
        return {
            "session": self.identity,
            "model": self.options.model,
            "frames": self.count,
            "is_finished": self.is_finished,
            "object_ids": sorted({one.object_id for one in self.session.prompts}),
        }


class Sessions:
    """All sessions of a server, and the models that they use.

    One frame is tracked at a time, whoever it is of: it takes all of the machine. What waits is
    still encoded, so that many clients at once take little memory.

    options: of sessions that do not say otherwise.
    load: makes a tracker.
    root: the folder below which files may be named; None allows none.
    most: sessions at once.
    idle_s: a session that is not used for so long is closed.
    now: the time in seconds, for tests.
    """

    def __init__(
        self,
        options: ModelOptions,
        load: Callable[[ModelOptions], Tracker],
        *,
        root: Path | None = None,
        most: int = 32,
        idle_s: float = 300.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._load = load
        self._root = None if root is None else root.resolve()
        self._most = most
        self._idle_s = idle_s
        self._now = now
        self._trackers: dict[ModelOptions, Tracker] = {}
        self._open: dict[str, Open] = {}
        self._lock = threading.Lock()  # of the two above
        # One thread for all: each would have arithmetic threads and freed memory of its own.
        self._computing = ThreadPoolExecutor(1, thread_name_prefix="vos-serve")

    def load_first(self) -> None:
        """Load the model of sessions that do not say otherwise. Raises ModelError, UsageError."""
        self._tracker(self._options)

    def status(self) -> dict[str, Any]:
        """Return how many sessions there are, and of which models."""
        with self._lock:
            loaded = sorted(options.model for options in self._trackers)
            return {"sessions": len(self._open), "most_sessions": self._most, "models": loaded}

    def open(
        self,
        prompts: Sequence[Prompt],
        *,
        model: str | None = None,
        size: int | None = None,
        rate: str | None = None,
        file: str | None = None,
    ) -> Open:
        """Open a session.

        model: a name of `vos models list`. size: side of the model's input in pixels.
        rate: of the frames, which decides their times. file: path below the root.

        Raises FullError where all places are taken, and VosError for all that is wrong.
        """
        options = self._choose(model, size)
        self.close_idle()
        return self._compute(lambda: self._begin(prompts, options, rate, file))

    def _begin(
        self, prompts: Sequence[Prompt], options: ModelOptions, rate: str | None, file: str | None
    ) -> Open:
        """Open a session of a model that may have to be loaded first."""
        self._check_room(options)
        tracker = self._tracker(options)
        source = None if file is None else self._open_file(file, rate)
        try:
            count = None
            if source is not None and source.info.kind != "video":
                count = source.info.frame_count
                check_frame_range(prompts, count or 0)
            opened = Open(
                identity=secrets.token_urlsafe(16),
                options=options,
                session=tracker.session(prompts, frame_count=count),
                rate=parse_rate(rate or _RATE),
                source=source,
                frames=iter(()) if source is None else source.frames(),
                used=self._now(),
            )
        except BaseException:
            if source is not None:
                source.__exit__(None, None, None)
            raise
        with self._lock:
            self._open[opened.identity] = opened
        return opened

    def hide_root(self, text: str) -> str:
        """Return a message as clients get it: they know files from the root on."""
        return text if self._root is None else text.replace(f"{display_name(self._root)}/", "")

    def get(self, identity: str) -> Open:
        """Return a session, which is used now. Raises UnknownSessionError."""
        with self._lock:
            opened = self._open.get(identity)
            if opened is None:
                raise UnknownSessionError(
                    "no such session: it was closed, or was idle for too long; open another one"
                )
            opened.used = self._now()
            return opened

    def add_prompts(self, identity: str, prompts: Sequence[Prompt]) -> Open:
        """Add prompts on frames to come. Raises PromptError, which says how many were added."""
        opened = self.get(identity)
        with opened.lock:
            for number, prompt in enumerate(prompts):
                try:
                    opened.session.add_prompt(prompt)
                except PromptError as error:
                    raise PromptError(
                        f"prompt {number + 1} of {len(prompts)}: {message(error)}; "
                        f"{number} before it were added"
                    ) from None
        return opened

    def track_image(self, identity: str, data: bytes) -> FrameResult:
        """Track the next frame of a session, given as PNG or JPEG. Raises VosError."""
        opened = self.get(identity)
        if opened.source is not None:
            raise UsageError("this session reads a file; ask for its next frames, or open another")

        def work() -> FrameResult:
            _check_open(opened)
            index = opened.count
            frame = Frame(decode_image(data), index / opened.rate, index, f"{index:05d}")
            result = opened.session.track(frame)
            opened.count += 1
            opened.used = self._now()
            return result

        with opened.lock:
            return self._compute(work)

    def track_next(self, identity: str, count: int) -> tuple[list[FrameResult], str | None]:
        """Track the next frames of a session's file, fewer at its end.

        Returns them, and what is wrong where the file has ended; None where nothing is.

        Raises VosError where there is no file, or the first of these frames cannot be tracked.
        """
        opened = self.get(identity)
        if opened.source is None:
            raise UsageError(
                "this session reads no file; send a frame, or open another with a file"
            )

        def work() -> FrameResult | None:
            _check_open(opened)
            frame = next(opened.frames, None)
            if frame is None:
                opened.is_finished = True
                opened.session.check_all_used()
                return None
            result = opened.session.track(frame)
            opened.count += 1
            opened.used = self._now()
            return result

        results: list[FrameResult] = []
        with opened.lock:
            while len(results) < count and not opened.is_finished:
                try:
                    result = self._compute(work)  # others come in between
                except VosError as error:
                    if not results:
                        raise
                    return results, message(error)
                if result is not None:
                    results.append(result)
        return results, None

    def close(self, identity: str) -> None:
        """Close a session; a frame of it that is being tracked is finished first."""
        opened = self.get(identity)
        with self._lock:
            self._open.pop(identity, None)
        _close(opened)

    def close_idle(self) -> None:
        """Close what has not been used for long; a session that is at work is not idle."""
        limit = self._now() - self._idle_s
        with self._lock:
            idle = [
                one for one in self._open.values() if one.used < limit and not one.lock.locked()
            ]
            for one in idle:
                del self._open[one.identity]
            in_use = {one.options for one in self._open.values()}
            for options in [one for one in self._trackers if one not in in_use]:
                if len(self._trackers) > 1:
                    del self._trackers[options]
        for one in idle:
            _close(one)

    def close_all(self) -> None:
        """Close every session; nothing can be tracked after it."""
        with self._lock:
            everything = list(self._open.values())
            self._open.clear()
        for one in everything:
            _close(one)
        self._computing.shutdown()

    def _compute(self, work: Callable[[], T]) -> T:
        """Do some work when its turn has come."""
        return self._computing.submit(work).result()

    def _choose(self, model: str | None, size: int | None) -> ModelOptions:
        options = self._options
        if model is not None:
            valid = registry.names()
            if model not in valid:  # no path: what is loaded is chosen by whoever runs the server
                raise UsageError(
                    f"model {display_name(model[:60])!r}: not one of {', '.join(valid)}"
                    f"{nearest(model[:60], valid)}; correct it"
                )
            options = replace(options, model=model)
        if size is not None:
            if size % 32 or not 32 <= size <= MOST_SIDE_PX:
                raise UsageError(
                    f"size {size}: a side is a multiple of 32 up to {MOST_SIDE_PX}; correct it"
                )
            options = replace(options, size=size)
        return options

    def _check_room(self, options: ModelOptions) -> None:
        with self._lock:
            if len(self._open) >= self._most:
                raise FullError(
                    f"{self._most} sessions are open; close one, or wait until one has been idle "
                    f"for {self._idle_s:g} s"
                )
            in_use = {one.options for one in self._open.values()} | {options}
            if len(in_use) > MOST_MODELS:
                raise FullError(
                    f"{MOST_MODELS} other models or sizes are in use; take one of these, or wait"
                )

    def _tracker(self, options: ModelOptions) -> Tracker:
        with self._lock:
            tracker = self._trackers.get(options)
            if tracker is not None:
                return tracker
            in_use = {one.options for one in self._open.values()}
            for other in [one for one in self._trackers if one not in in_use]:
                if len(self._trackers) >= MOST_MODELS:
                    del self._trackers[other]
        tracker = self._load(options)
        with self._lock:
            self._trackers[options] = tracker
        return tracker

    def _open_file(self, file: str, rate: str | None) -> Source:
        path = find_file(self._root, file)
        return open_source(path, rate=rate).__enter__()


def _check_open(opened: Open) -> None:
    if opened.is_closed:
        raise UnknownSessionError("this session was closed meanwhile; open another one")


def _close(opened: Open) -> None:
    with opened.lock:
        opened.is_closed = True
        if opened.source is not None:
            close = getattr(opened.frames, "close", None)
            if close is not None:
                close()
            opened.source.__exit__(None, None, None)
