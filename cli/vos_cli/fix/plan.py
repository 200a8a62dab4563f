"""What a set of corrections concerns: which memories, which way, and up to where. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

from vos.errors import PromptError
from vos.prompts import Absent, Box, MaskPrompt, Polygon, Prompt
from vos.prompts.absence import Absences, merge_absences

MOST_ANCHORS = 4


@dataclass(frozen=True, slots=True)
class Course:
    """How one object is computed again from one corrected frame.

    frame_idx: the corrected one. reverse: its memory is that of the frames after it. anchors:
    prompted frames to remember, in tracking order; none where the object begins here. origin: the
    frame on which it was tracked first, without memory. low, high: the first and the last frame
    that may change, both inclusive. before, after: what lies beyond them, "prompt", "cut", "limit",
    "end", or "absence": what was before the object is absent stays. absent: the frames on which it
    is said to be absent; the corrected one is the first of them in tracking order.
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
    absent: range | None = None

    def holds(self, frame_idx: int) -> bool:
        """Whether this frame may change."""
        return self.low <= frame_idx <= self.high


def merged(old: Sequence[Prompt], new: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """All prompts, the new ones last. On its frame a new mask or polygon replaces everything said
    of its object before, a new box the box; points and scribbles come on top. An absence and what
    shows its object replace each other, as `merge_absences` says.
    """
    old = merge_absences(old, new)
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


def shown_frames(prompts: Iterable[Prompt]) -> dict[int, set[int]]:
    """The frames with prompts that are no absences, by object id."""
    shown = (one for one in prompts if not isinstance(one, Absent))
    return prompted_frames((one.object_id, one.frame_idx) for one in shown)


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
    absent: Mapping[int, int] = MappingProxyType({}),
) -> Course:
    """The course of an object from a corrected frame.

    prompted: all frames that a prompt shows it on, this one too. tracked_from: those it was tracked
    with, before any correction. existing: frames on which the result has the object, or will have a
    new one.
    frames: of the result. direction: the way it was tracked, which decides whether an object exists
    before its first or after its last prompt. absent: the first frame of each of its absences, and
    its last one; neither is changed by a prompt elsewhere.
    """
    earlier = sorted(idx for idx in prompted if idx < frame_idx)
    later = sorted(idx for idx in prompted if idx > frame_idx)
    last_said = [idx for idx in (*earlier[-1:], *absent.values()) if idx < frame_idx]
    next_said = [idx for idx in (*later[:1], *absent) if idx > frame_idx]
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
        low=max(last_said) + 1 if last_said else low,
        high=min(next_said) - 1 if next_said else high,
        before="prompt" if last_said else "end",
        after="prompt" if next_said else "end",
    )


def absent_course(
    object_id: int,
    absent: range,
    prompted: Collection[int],
    tracked_from: Collection[int],
    existing: range,
    frames: range,
    direction: str,
    others: Mapping[int, int],
) -> Course:
    """The course of an object that is not there on the frames `absent`.

    others: its other absences, as for `course`, as are the rest.

    Raises PromptError where the object does not exist there, or would begin there.
    """
    frame_idx = absent[0]
    like = course(object_id, frame_idx, prompted, tracked_from, existing, frames, direction, others)
    is_early = direction == "forward" and frame_idx < like.origin
    if is_early or frame_idx not in existing or not like.anchors:
        raise PromptError(
            f"object {object_id} is to be absent on frame {frame_idx}, but what it is tracked from "
            "is not before that frame: begin the absence later, or prompt the object elsewhere "
            "first"
        )
    if like.reverse:
        last = absent[-1]
        return replace(like, frame_idx=last, high=last, after="absence", absent=absent)
    return replace(like, low=frame_idx, before="absence", absent=absent)


def find_absent(prompts: Sequence[Prompt], frames: range) -> dict[int, dict[int, int]]:
    """The absences in a result's `frames`: first and last frame of each, by object id."""
    found: dict[int, dict[int, int]] = {}
    for object_id, spans in Absences.of(prompts).spans.items():
        own = found.setdefault(object_id, {})
        for first, last in spans:
            end = frames[-1] if last is None else min(last, frames[-1])
            own[first] = max(end, own.get(first, end))
    return found


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
    ones again), "absence" (the object is absent from there), "end" (of the track or object).
    """

    object_id: int
    corrected: int
    first: int
    last: int
    before: str
    after: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
