"""A server of this machine's own, for whoever a test lets connect."""

from __future__ import annotations

import contextlib
import socket
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class LoopbackServer(ABC):
    """A context manager that answers connections in a thread of its own while it is open.

    port: where it listens.

    Subclasses wait on `_over` instead of sleeping, and accept on `_socket`.
    """

    def __init__(self) -> None:
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @abstractmethod
    def _serve(self) -> None:
        """Answer who connects, until the socket is closed."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)
