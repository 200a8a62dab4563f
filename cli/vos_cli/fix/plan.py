"""What a set of corrections concerns: which memories, which way, and up to where. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from vos.errors import PromptError
from vos.prompts import Box, MaskPrompt, Polygon, Prompt

MOST_ANCHORS = 4


@dataclass(frozen=True, slots=True)
class Course:
    """How one object is computed again from one corrected frame.

    frame_idx: the corrected one. reverse: its memory is that of the frames after it. anchors:
    prompted frames to remember, in tracking order; none where the object begins here. origin: the
    frame on which it was tracked first, without memory. low, high: the first and the last frame
    that may change, both inclusive. before, after: what lies beyond them, "prompt", "cut", "limit"
    or "end".
    """

    object_id: int
    frame_idx: int
    reverse: bool
    anchors: tuple[int, ...]
    origin: int
    low: int
    high: int
    before: str
    after: str

    def holds(self, frame_idx: int) -> bool:
        """Whether this frame may change."""
        return self.low <= frame_idx <= self.high


def merged(old: Sequence[Prompt], new: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """All prompts, the new ones last. On its frame a new mask or polygon replaces everything said
    of its object before, a new box the box; points and scribbles come on top.
    """
    exact = {_key(prompt) for prompt in new if isinstance(prompt, (MaskPrompt, Polygon))}
    boxed = {_key(prompt) for prompt in new if isinstance(prompt, Box)}
    kept = (
        prompt
        for prompt in old
        if _key(prompt) not in exact and not (isinstance(prompt, Box) and _key(prompt) in boxed)
    )
    return (*kept, *new)


def prompted_frames(asked: Iterable[tuple[int, int]]) -> dict[int, set[int]]:
    """The frames with prompts, by object id. asked: object id and frame index of each prompt."""
    frames: dict[int, set[int]] = {}
    for object_id, frame_idx in asked:
        frames.setdefault(object_id, set()).add(frame_idx)
    return frames


def check(new: Sequence[Prompt], frames: range) -> None:
    """Raises PromptError: nothing asked, or a frame that the result does not have."""
    if not new:
        raise PromptError("no correction; give --point ID:x,y@FRAME, or another prompt")
    for prompt in new:
        if prompt.frame_idx not in frames:
            raise PromptError(
                f"prompt on frame {prompt.frame_idx}: this result has frames {frames[0]} to "
                f"{frames[-1]}; choose one of them"
            )


def lifetime(tracked_from: Collection[int], frames: range, direction: str) -> range:
    """Frames on which an object exists that is tracked from these of the result's `frames`."""
    first = min(tracked_from) if direction == "forward" else frames[0]
    last = max(tracked_from) if direction == "backward" else frames[-1]
    return range(first, last + 1)


def course(
    object_id: int,
    frame_idx: int,
    prompted: Collection[int],
    tracked_from: Collection[int],
    existing: range,
    frames: range,
    direction: str,
) -> Course:
    """The course of an object from a corrected frame.

    prompted: all its prompted frames, this one too. tracked_from: those it was tracked with, before
    any correction. existing: frames on which the result has the object, or will have a new one.
    frames: of the result. direction: the way it was tracked, which decides whether an object exists
    before its first or after its last prompt.
    """
    earlier = sorted(idx for idx in prompted if idx < frame_idx)
    later = sorted(idx for idx in prompted if idx > frame_idx)
    if direction == "forward":
        origin = min(prompted)
    else:
        origin = max(tracked_from) if direction == "backward" else min(tracked_from)
    # What was tracked backward to this frame remembers the frames after it.
    reverse = frame_idx < origin and (direction == "backward" or not earlier)
    if frame_idx == origin:
        anchors = []
    elif reverse:
        anchors = [idx for idx in later if idx <= origin][::-1]
    else:
        anchors = [idx for idx in earlier if idx >= origin] or earlier
    low = min(existing[0], frame_idx) if direction == "forward" else frames[0]
    high = max(existing[-1], frame_idx) if direction == "backward" else frames[-1]
    return Course(
        object_id,
        frame_idx,
        reverse,
        _nearest(anchors),
        origin,
        low=earlier[-1] + 1 if earlier else low,
        high=later[0] - 1 if later else high,
        before="prompt" if earlier else "end",
        after="prompt" if later else "end",
    )


def within_scene(course: Course, cuts: Sequence[int]) -> Course:
    """The course, but that it does not go back over a scene cut: what an object was in the scene
    before is not corrected by what it is in this one.

    cuts: first frames of scenes, ascending. What was tracked backward goes back towards the end.
    """
    if course.reverse:
        limit = min((cut - 1 for cut in cuts if cut > course.frame_idx), default=course.high)
        return course if limit >= course.high else replace(course, high=limit, after="cut")
    limit = max((cut for cut in cuts if cut <= course.frame_idx), default=course.low)
    return course if limit <= course.low else replace(course, low=limit, before="cut")


def within_limits(course: Course, first: int, last: int) -> Course:
    """The course, but that no frame outside `first` to `last` changes. Raises PromptError where the
    corrected frame lies outside.
    """
    if not first <= course.frame_idx <= last:
        raise PromptError(
            f"prompt on frame {course.frame_idx}: only frames {first} to {last} are to change; "
            "choose one of them, or others"
        )
    if course.low < first:
        course = replace(course, low=first, before="limit")
    if course.high > last:
        course = replace(course, high=last, after="limit")
    return course


def _nearest(anchors: Sequence[int]) -> tuple[int, ...]:
    """Those that the memory attends to: the first and the nearest others."""
    if len(anchors) <= MOST_ANCHORS:
        return tuple(anchors)
    return (anchors[0], *anchors[-(MOST_ANCHORS - 1) :])


def _key(prompt: Prompt) -> tuple[int, int]:
    return prompt.object_id, prompt.frame_idx


@dataclass(frozen=True, slots=True)
class Span:
    """Frames that were computed again for one object, `first` to `last`, both inclusive.

    corrected: the frame with the new prompts. before, after: why it ends there: "prompt" (the next
    prompted frame), "cut" (of the scene), "limit" (that was set), "agrees" (the masks are the old
    ones again), "end" (of the track or object).
    """

    object_id: int
    corrected: int
    first: int
    last: int
    before: str
    after: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
