"""Corrections: recompute the spans they concern, replace the files in one step, take it back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vos.prompts import Prompt
from vos_cli.fixing.result import Result

if TYPE_CHECKING:
    from vos.api import Tracker

OnFrame = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Span:
    """Frames that were computed again for one object, `first` to `last`, both inclusive.

    corrected: the frame with the new prompts. before, after: why it ends there: "prompt" (the next
    prompted frame), "agrees" (the masks are the old ones again), "end" (of the track or object).
    """

    object_id: int
    corrected: int
    first: int
    last: int
    before: str
    after: str

    def as_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Edit:
    """One correction, made. number: counts from 1. frames: indices whose mask changed."""

    number: int
    prompts: tuple[Prompt, ...]
    spans: tuple[Span, ...]
    frames: tuple[int, ...]

    def as_json(self) -> dict[str, Any]: ...


def fix(
    result: Result,
    prompts: Sequence[Prompt],
    tracker: Tracker,
    *,
    on_frame: OnFrame = lambda _frame_idx: None,
    stop: Callable[[], bool] = lambda: False,
) -> Edit:
    """Add the prompts, recompute what they concern, and replace masks, stats, prompts, manifest.

    on_frame: told of each frame that is done. stop: asked before each frame; True ends the work
    with Interrupted and leaves everything as it was, as Ctrl-C does. `result` is out of date
    afterwards: `open_result` it again. The overlay video is stale then: `redraw_overlay`.

    Raises: PromptError (frame outside, unknown object, prompts that contradict each other),
    Interrupted, BusyError, OutputError.
    """
    raise NotImplementedError


def undo(result: Result) -> int:
    """Take back the last correction in force; its number.

    Raises: UsageError if there is none, BusyError, OutputError.
    """
    raise NotImplementedError
