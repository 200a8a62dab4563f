"""A page served by this process, which is quicker than a command of its own for each test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from e2e.studio_page import PATIENCE_MS
from vos_cli.main import run as run_command


@dataclass(slots=True)
class Here:
    """A command in a thread.

    link: what the terminal would show.
    code: what it exits with, once it is over.
    """

    link: str
    thread: threading.Thread
    codes: list[int] = field(default_factory=list)

    def finished(self) -> int:
        """Wait until it has ended by itself; return the exit code."""
        self.thread.join(PATIENCE_MS / 1000)
        assert not self.thread.is_alive()
        return self.codes[0]


@contextmanager
def served(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> Iterator[Here]:
    """Run `vos ARGUMENTS` up to the link; the page is closed at the end if it is still open."""
    import uvicorn

    import vos_cli.main
    from vos_cli.studio import serve

    servers: list[Any] = []
    links: list[str] = []
    is_open = threading.Event()

    class Server(uvicorn.Server):
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            servers.append(self)

    def open_link(link: str) -> None:
        links.append(link)
        is_open.set()

    monkeypatch.setattr(uvicorn, "Server", Server)
    monkeypatch.setattr(serve, "open_browser", open_link)
    monkeypatch.setattr(vos_cli.main, "end_on_second_interrupt", lambda: None)
    monkeypatch.setenv("BROWSER", "true")
    codes: list[int] = []

    def work() -> None:
        codes.append(run_command([str(one) for one in arguments]))
        is_open.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert is_open.wait(PATIENCE_MS / 1000)
    if not links:
        pytest.fail(f"exit code {codes}")
    try:
        yield Here(links[0], thread, codes)
    finally:
        if thread.is_alive():
            servers[-1].should_exit = True
            thread.join(PATIENCE_MS / 1000)
