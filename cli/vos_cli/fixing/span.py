"""What was computed again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Span:
    """Frames that were computed again for one object, `first` to `last`, both inclusive.

    corrected: the frame with the new prompts. before, after: why it ends there: "prompt" (the next
    prompted frame), "cut" (of the scene), "agrees" (the masks are the old ones again), "end" (of
    the track or object).
    """

    object_id: int
    corrected: int
    first: int
    last: int
    before: str
    after: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
