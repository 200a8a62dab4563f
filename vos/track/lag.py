"""Let results wait until the hypotheses about their objects are told apart."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from vos.track.compose import ObjectLogits
from vos.track.session import Session

T = TypeVar("T")
U = TypeVar("U")


class Waiting(Generic[T]):
    """Frames of a session that are decoded and not yet given, oldest first.

    session: whose policy says how long they wait; None for a stream without one, which never does.
    """

    def __init__(self, session: Session | None) -> None:
        self._session = session
        self._lag = 0 if session is None else session.lag
        self._error: Exception | None = None
        self._frames: deque[tuple[int, Mapping[int, ObjectLogits], T]] = deque()

    def watch(self, frames: Iterable[U]) -> Iterator[U]:
        """Yield the frames that come; an error in them ends them, and `check` raises it once those
        before it are given.
        """
        try:
            yield from frames
        except Exception as error:
            self._error = error

    def check(self) -> None:
        """Raise what ended the frames, if it was an error."""
        if self._error is not None:
            raise self._error

    def add(self, frame_idx: int, objects: Mapping[int, ObjectLogits], beside: T) -> None:
        """Let a frame wait that was decoded just now. beside: what comes back with it."""
        self._frames.append((frame_idx, objects, beside))

    def ready(self) -> Iterator[tuple[dict[int, ObjectLogits], T]]:
        """Yield the frames that have waited long enough, as the session sees them now."""
        while len(self._frames) > self._lag:
            yield self._take()

    def flush(self) -> Iterator[tuple[dict[int, ObjectLogits], T]]:
        """Yield all frames: the stream ends, or forgets what would tell more."""
        while self._frames:
            yield self._take()

    def _take(self) -> tuple[dict[int, ObjectLogits], T]:
        frame_idx, objects, beside = self._frames.popleft()
        if self._session is None:
            return dict(objects), beside
        return self._session.revise(frame_idx, objects), beside
