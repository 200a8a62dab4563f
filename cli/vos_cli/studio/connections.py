"""How many connections the page takes, and how long one may be idle. Needs uvicorn.

Whoever can reach the port can open connections, with or without a token, and each is a descriptor
of the process that tracks. So there are few of them at a time, one that does not bring a whole
request in time is closed, and where all are taken the one that has been idle longest makes room.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST = 64
"""Connections at a time: a browser keeps six open."""

BACKLOG = 32
"""Connections that the system holds ready, all of which are accepted at once."""

REQUEST_S = 10.0
"""Seconds for a whole request to arrive, from the beginning of its wait."""


def _most() -> int:
    """Return how many there may be where the process may open few files."""
    try:
        import resource
    except ImportError:  # Windows
        return MOST
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft < 0 else min(MOST, max(8, soft // 8))


class LimitedProtocol(H11Protocol):
    """One connection to the page's server; all of them know of each other."""

    request_s = REQUEST_S
    most = _most()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._idle_since = 0.0

    def connection_made(self, transport: Any) -> None:
        others = [one for one in self.connections if isinstance(one, LimitedProtocol)]
        if len(others) >= self.most:
            idle = [one for one in others if not one.is_busy]
            if not idle:
                transport.abort()
                return
            min(idle, key=lambda one: one._idle_since).drop()
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        if self.transport is not None:  # else it was turned away
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport is None:
            return
        super().data_received(data)
        if self.has_whole_request:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.is_busy:  # else another request has come with this one
            self._wait()

    @property
    def is_busy(self) -> bool:
        """Whether it is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def has_whole_request(self) -> bool:
        """Whether nothing more is waited for."""
        return self.is_busy and not self.cycle.more_body

    def drop(self) -> None:
        """Close it now, whatever is still on its way."""
        self.connections.discard(self)
        self._stop_waiting()
        self.transport.abort()

    def _wait(self) -> None:
        self._stop_waiting()
        self._idle_since = self.loop.time()
        self._deadline = self.loop.call_later(self.request_s, self.drop)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
