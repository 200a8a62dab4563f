"""On which frames which object is absent because somebody said so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vos.errors import PromptError
from vos.prompts.kinds import Absent, Points, Prompt, Scribble

Spans = tuple[tuple[int, int | None], ...]
"""First and last frame of each absence, both inclusive; None where nothing ends it."""


@dataclass(frozen=True, slots=True)
class Absences:
    """The frames on which objects are absent because a prompt says so.

    spans: by object id, in ascending order of their first frames; they may overlap.
    """

    spans: Mapping[int, Spans] = field(default_factory=dict)

    @classmethod
    def of(cls, prompts: Iterable[Prompt]) -> Absences:
        """Find the absences among prompts.

        Raises PromptError where an object is shown on a frame on which it is absent.
        """
        prompts = tuple(prompts)
        absent = [prompt for prompt in prompts if isinstance(prompt, Absent)]
        if not absent:
            return cls()
        shown: dict[int, list[int]] = {}
        for prompt in prompts:
            if not isinstance(prompt, Absent):
                shown.setdefault(prompt.object_id, []).append(prompt.frame_idx)
        spans: dict[int, list[tuple[int, int | None]]] = {}
        for prompt in sorted(absent, key=lambda one: one.frame_idx):
            span = _span(prompt, sorted(shown.get(prompt.object_id, ())))
            spans.setdefault(prompt.object_id, []).append(span)
        return cls({object_id: tuple(those) for object_id, those in sorted(spans.items())})

    def hold(self, object_id: int, frame_idx: int) -> bool:
        """Tell whether this object is absent on this frame."""
        return any(
            first <= frame_idx and (last is None or frame_idx <= last)
            for first, last in self.spans.get(object_id, ())
        )

    def end_frames(self, object_id: int) -> set[int]:
        """Return the first and the last frame of each of an object's absences."""
        ends = (end for span in self.spans.get(object_id, ()) for end in span)
        return {end for end in ends if end is not None}


def shows(prompt: Prompt) -> bool:
    """Tell whether a prompt says where its object is, and not only where it is not."""
    match prompt:
        case Absent():
            return False
        case Points(labels=labels):
            return any(labels)
        case Scribble(positive=positive):
            return positive
        case _:
            return True


def merge_absences(old: Sequence[Prompt], new: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """Return the old prompts as far as the new ones do not say otherwise.

    A new absence takes the place of what showed its object on its frames; what a new prompt shows
    ends an older absence before it.
    """
    shown: dict[int, list[int]] = {}
    for prompt in new:
        if not isinstance(prompt, Absent):
            shown.setdefault(prompt.object_id, []).append(prompt.frame_idx)
    absent = [prompt for prompt in new if isinstance(prompt, Absent)]
    kept: list[Prompt] = []
    for prompt in old:
        if isinstance(prompt, Absent):
            cut = _cut_short(prompt, sorted(shown.get(prompt.object_id, ())))
            kept += [] if cut is None else [cut]
        elif not any(_covers(one, prompt) for one in absent):
            kept.append(prompt)
    return tuple(kept)


def _covers(absence: Absent, prompt: Prompt) -> bool:
    """Tell whether a prompt lies in an absence; one without end only replaces its first frame."""
    last = absence.frame_idx if absence.last_idx in (None, "end") else absence.last_idx
    is_between = absence.frame_idx <= prompt.frame_idx <= int(last or 0)
    return prompt.object_id == absence.object_id and is_between


def _cut_short(absence: Absent, shown: Sequence[int]) -> Absent | None:
    """Return the absence up to the first of these frames in it; None where that is its first."""
    if absence.frame_idx in shown:
        return None
    if not isinstance(absence.last_idx, int):
        return absence  # the next prompt ends it anyway
    inside = [idx for idx in shown if absence.frame_idx < idx <= absence.last_idx]
    if not inside:
        return absence
    return Absent(absence.object_id, absence.frame_idx, inside[0] - 1)


def _span(absence: Absent, shown: Sequence[int]) -> tuple[int, int | None]:
    first, last = absence.frame_idx, absence.last_idx
    after = [idx for idx in shown if idx >= first]
    if last == "end" and first not in after:
        return first, after[0] - 1 if after else None
    until = first if not isinstance(last, int) else last
    if after and after[0] <= until:
        which = f"on frame {first}" if until == first else f"from frame {first} to {until}"
        way_out = "" if after[0] == first else f", or end the absence on frame {after[0] - 1}"
        raise PromptError(
            f"object {absence.object_id} is absent {which}, and another prompt says where it is on "
            f"frame {after[0]}: keep one of them{way_out}"
        )
    return first, until
