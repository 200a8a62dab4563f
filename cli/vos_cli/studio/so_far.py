"""What was tracked here so far, as a result that is drawn on: for previews that know its masks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from vos.errors import VosError
from vos.io.read.random_access import RandomAccess
from vos.prompts import Prompt
from vos_cli.fix.result import Result, open_result
from vos_cli.studio.document import select_new
from vos_cli.studio.fix_preview import FixPreviewer
from vos_cli.studio.preview import Preview
from vos_cli.studio.runs import Runs

if TYPE_CHECKING:
    from vos.api import Tracker


class SoFar:
    """Previews of corrections of what a run has left, finished or stopped.

    runs: the page's.
    load: waits for the loaded model and returns it.
    frames: the input's frames, by index.
    """

    def __init__(self, runs: Runs, load: Callable[[], Tracker], frames: RandomAccess) -> None:
        self._runs = runs
        self._load = load
        self._frames = frames
        self._changing = threading.Lock()
        self._known: tuple[object, Result | None, FixPreviewer | None] = (None, None, None)

    def masks(self, frame_idx: int, prompts: Sequence[Prompt]) -> Preview | None:
        """Predict the masks with what was drawn here since; None where that is on no result, or
        something that it was made with is gone.
        """
        result, previewer = self._current()
        if result is None or previewer is None or frame_idx not in result.frames:
            return None
        new = [one for one in select_new(prompts, result.prompts) if one.frame_idx == frame_idx]
        is_kept = all(one in prompts for one in result.prompts if one.frame_idx == frame_idx)
        return previewer.masks(frame_idx, new) if is_kept else None

    def encode(self, frame_idx: int) -> bool:
        """Prepare a frame of what was tracked; tell whether it is one."""
        result, previewer = self._current()
        if result is None or previewer is None or frame_idx not in result.frames:
            return False
        previewer.encode(frame_idx)
        return True

    def _current(self) -> tuple[Result | None, FixPreviewer | None]:
        with self._changing:
            key = self._runs.left
            if key != self._known[0]:
                self._close()
                self._known = (key, *self._open())
            return self._known[1:]

    def _open(self) -> tuple[Result | None, FixPreviewer | None]:
        if self._runs.left is None:
            return None, None
        with suppress(VosError):  # without statistics, say
            result = open_result(self._runs.output, is_only_looking=True)
            return result, FixPreviewer(self._load, self._frames, lambda: result)
        return None, None

    def _close(self) -> None:
        if (before := self._known[1]) is not None:
            with before.source:
                pass
