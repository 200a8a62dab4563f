"""Prompts of detections: the first box of each track, which the tracker follows from there."""

from __future__ import annotations

from collections.abc import Sequence

from vos.errors import PromptError
from vos.prompts.detections.found import XYXY, Detection, Detections, are_left_out, counted
from vos.prompts.file import MAX_NAME, NamedPrompts, check_size
from vos.prompts.kinds import MAX_OBJECT_ID, Box


def take_first_boxes(found: Detections, size_hw: tuple[int, int]) -> NamedPrompts:
    """Make a prompt of the first box of each track that lies in the frame.

    Without tracks, each box of the first frame that has any is an object. Tracks keep their numbers
    as ids where all of them can be ids; else they are numbered from 1 as they come.

    Raises PromptError: frames that could be counted in two ways, a frame size other than the
    video's, two boxes of one track on one frame, more tracks than ids.
    """
    try:
        check_size(found.size_hw, size_hw)
    except PromptError as error:
        raise PromptError(f"{found.name}: {error}") from None
    base = _first(found)
    detections = sorted(found.detections, key=lambda one: one.number)
    if detections[0].number < base:
        raise PromptError(
            f"{detections[0].place}: frame {detections[0].number} is before {base}, the number of "
            f"the first frame: correct it, or the @{base} behind the file's name"
        )
    _refuse_twins(detections)
    seen = [
        (one, box) for one in detections if (box := _cut(one.box_xyxy, found, size_hw)) is not None
    ]
    if not seen:
        raise PromptError(f"{found.name}: no box lies in the {size_hw[1]}x{size_hw[0]} frame")
    chosen, notes = _choose(found, seen)
    ids = _number([one for one, _ in chosen])
    boxes = tuple(
        Box(object_id, box, one.number - base)
        for object_id, (one, box) in zip(ids, chosen, strict=True)
    )
    outside = len(detections) - len(seen)
    if outside:
        notes.append(f"{found.name}: {are_left_out(outside, 'box', 'boxes')}, outside the frame")
    kept = [one.track for one, _ in chosen]
    if kept != ids and None not in kept:
        pairs = [f"{i}={t}" for i, t in zip(ids, kept, strict=True)]
        more = f" and {len(pairs) - 8} more" if len(pairs) > 8 else ""
        notes.append(
            f"{found.name}: tracks are numbered anew, since ids are 1 to {MAX_OBJECT_ID} "
            f"(id=track): {', '.join(pairs[:8])}{more}"
        )
    return NamedPrompts(
        boxes, _names(ids, [one for one, _ in chosen]), None, (*found.notes, *notes)
    )


def _first(found: Detections) -> int:
    """Return the number of the first frame. Raises PromptError where the file does not tell."""
    if found.first is not None:
        return found.first
    least = min(one.number for one in found.detections)
    raise PromptError(
        f"{found.name}: its frames begin with number {least}, and the first frame of a video may "
        f"be number 0 or 1 ({found.kind}); say which: {found.name}@0 or {found.name}@1"
    )


def _refuse_twins(detections: Sequence[Detection]) -> None:
    places: dict[tuple[int, int], str] = {}
    for one in detections:
        if one.track is None:
            continue
        earlier = places.setdefault((one.number, one.track), one.place)
        if earlier != one.place:
            raise PromptError(
                f"{one.place}: track {one.track} is on frame {one.number} twice, first at "
                f"{earlier}; an object has one box per frame: remove one"
            )


def _cut(box: XYXY, found: Detections, size_hw: tuple[int, int]) -> XYXY | None:
    """Return the part of a box in the frame, in pixels; None for less than a pixel of it."""
    height, width = size_hw
    scale_x, scale_y = (width, height) if found.is_normalised else (1, 1)
    x1, x2 = (min(max(x * scale_x, 0.0), float(width)) for x in (box[0], box[2]))
    y1, y2 = (min(max(y * scale_y, 0.0), float(height)) for y in (box[1], box[3]))
    return (x1, y1, x2, y2) if x2 - x1 >= min(1, width) and y2 - y1 >= min(1, height) else None


def _choose(
    found: Detections, seen: Sequence[tuple[Detection, XYXY]]
) -> tuple[list[tuple[Detection, XYXY]], list[str]]:
    """Choose the boxes that become prompts, and say how."""
    said = f"{found.name}: read as {found.kind}"
    tracked = [pair for pair in seen if pair[0].track is not None]
    if not tracked:
        first = seen[0][0].number
        chosen = [pair for pair in seen if pair[0].number == first]
        notes = [
            f"{said}, without tracks: each box of its frame {first} is an object "
            f"({counted(len(chosen), 'box', 'boxes')})"
        ]
        if len(seen) > len(chosen):
            notes.append(
                f"{found.name}: {are_left_out(len(seen) - len(chosen), 'box', 'boxes')}, of later "
                "frames, where only tracks tell which object one is of"
            )
        return chosen, notes
    by_track: dict[int, tuple[Detection, XYXY]] = {}
    for one, box in tracked:
        assert one.track is not None
        by_track.setdefault(one.track, (one, box))
    notes = [
        f"{said}: the first box of each track is a prompt "
        f"({counted(len(by_track), 'track', 'tracks')})"
    ]
    if len(tracked) < len(seen):
        left = are_left_out(len(seen) - len(tracked), "box", "boxes")
        notes.append(f"{found.name}: {left}, without track")
    return list(by_track.values()), notes


def _number(chosen: Sequence[Detection]) -> list[int]:
    """Return the object id of each."""
    if len(chosen) > MAX_OBJECT_ID:
        raise PromptError(
            f"{len(chosen)} objects; there are ids for {MAX_OBJECT_ID}: leave out boxes of low "
            "confidence or short tracks, or track the parts one after the other"
        )
    tracks = [one.track for one in chosen]
    if all(track is not None and 1 <= track <= MAX_OBJECT_ID for track in tracks):
        return [track for track in tracks if track is not None]
    return list(range(1, len(chosen) + 1))


def _names(ids: Sequence[int], chosen: Sequence[Detection]) -> dict[int, str]:
    """Return the classes as names, of those that have one which fits."""
    pairs = zip(ids, chosen, strict=True)
    return {i: one.label for i, one in pairs if 0 < len(one.label) <= MAX_NAME}
