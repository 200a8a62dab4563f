"""All that one page works on, shared by its tabs."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vos.io.random_access import RandomAccess
from vos.io.source import SourceInfo
from vos.prompts import check_frame_range, prompts_text, save_prompts
from vos_cli.studio.document import Document, History
from vos_cli.studio.pictures import Thumbnails, colours
from vos_cli.studio.preview import Previewer
from vos_cli.studio.runs import Runs


@dataclass(slots=True)
class Desk:
    """One input, the prompts on it, and what can be done with them.

    tool: the one the page starts with. save_to: the prompt file of `vos pick`, else None. runs:
    the tracking of `vos track`, else None. saved_version: of the document in the file, -1 if none
    was written. session: tells this page's pictures from another's in a browser's cache. finish:
    ends the server.
    """

    info: SourceInfo
    frames: RandomAccess
    thumbnails: Thumbnails
    previewer: Previewer
    history: History
    tool: str
    save_to: Path | None
    runs: Runs | None
    finish: Callable[[], None]
    saved_version: int = -1
    session: str = field(default_factory=lambda: secrets.token_hex(4))
    changing: threading.Lock = field(default_factory=threading.Lock)

    def clip(self) -> dict[str, Any]:
        """What never changes."""
        height, width = self.info.size_hw
        rate = self.info.average_rate
        return {
            "session": self.session,
            "name": self.info.path.name,
            "width": width,
            "height": height,
            "rate": 24.0 if rate is None else float(rate),
            "is_still": self.info.kind == "image",
            "tool": self.tool,
            "mode": "pick" if self.runs is None else "track",
            "save_to": None if self.save_to is None else str(self.save_to),
            "colours": colours(),
        }

    def status(self) -> dict[str, Any]:
        """What changes by itself, asked for again and again."""
        error = self.previewer.error
        return {
            "version": self.history.version,
            "saved_version": self.saved_version,
            "frames": {"count": self.frames.count, "is_complete": self.frames.is_complete},
            "model": {
                "is_ready": self.previewer.is_ready,
                "name": self.previewer.model_name,
                "error": None if error is None else str(error),
            },
            "run": None if self.runs is None else self.runs.as_json(),
        }

    def edit(self, version: int, document: Document) -> History:
        """Raises StaleError unless the document is still at `version`, PromptError past the end."""
        if self.frames.is_complete:
            check_frame_range(document.prompts, self.frames.count)
        return self._change(version, lambda history: history.edited(document))

    def undo(self, version: int) -> History:
        """Raises StaleError."""
        return self._change(version, History.undone)

    def redo(self, version: int) -> History:
        """Raises StaleError."""
        return self._change(version, History.redone)

    def prompt_file(self) -> str:
        """The prompts as a portable file's text."""
        now = self.history.now
        return prompts_text(now.prompts, size_hw=self.info.size_hw, names=now.names)

    def save(self) -> None:
        """Write the prompt file. Raises OutputError."""
        assert self.save_to is not None
        history = self.history
        save_prompts(
            self.save_to,
            history.now.prompts,
            size_hw=self.info.size_hw,
            names=history.now.names,
        )
        self.saved_version = history.version

    def _change(self, version: int, change: Callable[[History], History]) -> History:
        with self.changing:
            self.history.check(version)
            self.history = change(self.history)
            return self.history
