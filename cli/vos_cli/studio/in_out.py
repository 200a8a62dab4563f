"""The frames between the In and the Out point: what is played, tracked and corrected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

from vos.errors import PromptError, UsageError
from vos.io.read.scan import frames_before
from vos.io.read.source import SourceInfo, TimePoint
from vos.prompts import Prompt


@dataclass(frozen=True, slots=True)
class InOut:
    """Both inclusive; None where it is the clip's own first or last frame.

    first: index of the frame at the In point.
    last: index of the frame at the Out point.
    """

    first: int | None = None
    last: int | None = None

    @classmethod
    def of(cls, start: TimePoint | None, end: TimePoint | None, info: SourceInfo) -> Self:
        """Return what `--start` and `--end` name, as frames."""
        first, after = _index(start, info), _index(end, info)
        return cls(first or None, None if after is None else max(after - 1, first or 0))

    @classmethod
    def from_json(cls, sent: Any) -> Self:
        """Read what `as_json` gave. Raises UsageError."""
        first, last = sent["first"], sent["last"]
        for one in (first, last):
            if one is not None and (type(one) is not int or one < 0):
                raise UsageError(f"In and Out are frames, not {one!r}; reload the page")
        if first is not None and last is not None and first > last:
            raise UsageError(
                f"In at frame {first} lies after Out at frame {last}: move one of them"
            )
        return cls(first, last)

    def as_json(self) -> dict[str, int | None]:
        return {"first": self.first, "last": self.last}

    def holds(self, frame_idx: int) -> bool:
        """Tell whether a frame lies between them."""
        return (self.first or 0) <= frame_idx <= (math.inf if self.last is None else self.last)

    def check(self, prompts: Sequence[Prompt], names: Any) -> None:
        """Raise PromptError, in the page's words, for prompts that lie outside."""
        outside = [prompt for prompt in prompts if not self.holds(prompt.frame_idx)]
        if not outside:
            return
        one = min(outside, key=lambda prompt: prompt.frame_idx)
        is_early = one.frame_idx < (self.first or 0)
        point, where = ("In", self.first) if is_early else ("Out", self.last)
        who = names.get(one.object_id) or f"Object {one.object_id}"
        more = f" ({len(outside) - 1} more lie outside)" if len(outside) > 1 else ""
        raise PromptError(
            f"{who} has a prompt on frame {one.frame_idx}, {'before' if is_early else 'after'} the "
            f"{point} point at {where}{more}: move the {point} point, or remove the prompt"
        )


def _index(when: TimePoint | None, info: SourceInfo) -> int | None:
    """Return the index of the first frame that is not before a time."""
    if not isinstance(when, Fraction):
        return when
    counted = frames_before(info.path, when) if info.kind == "video" else None
    if counted is not None:
        return counted
    return None if info.average_rate is None else math.ceil(when * info.average_rate)
