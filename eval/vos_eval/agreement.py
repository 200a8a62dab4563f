"""Two sets of masks of one clip side by side: where they agree, where they part, who is right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vos_eval.errors import EvalError
from vos_eval.metrics.jf import FramePair, Scorer
from vos_eval.png import MaskError, check_header, read_labels

AGREEING_FRAMES = 8
"""Two tracks that agree on so many frames in a row are one track again."""

_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Side:
    """One set of masks.

    name: what messages call it.
    masks: the label map of each frame, by the frame's name, in order.
    objects: ids that it is known to have; more are found in the masks.
    """

    name: str
    masks: Mapping[str, Path]
    objects: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Span:
    """A run of frames on which two masks part, both ends included.

    first, last: positions among the compared frames.
    lowest: the frame on which they agree the least.
    """

    first: int
    last: int
    lowest: int


@dataclass(frozen=True, slots=True)
class TruthScore:
    """An object's masks against the ground truth, on each frame that has one.

    j: region similarity, 0-1.
    f: contour accuracy, 0-1.
    """

    j: np.ndarray
    f: np.ndarray

    @property
    def numbers(self) -> dict[str, float]:
        """Return the means by their published names."""
        j, f = float(self.j.mean()), float(self.f.mean())
        return {"J&F": (j + f) / 2, "J": j, "F": f}


@dataclass(frozen=True, slots=True)
class ObjectComparison:
    """One object that both sides have.

    object_id: its id.
    agreement: J of the two masks, 0-1, a value per frame; NaN where neither shows the object.
    spans: where they part.
    scores: of each side against the ground truth; empty without one, or where it lacks the object.
    """

    object_id: int
    agreement: np.ndarray
    spans: tuple[Span, ...]
    scores: tuple[TruthScore, ...] = ()

    @property
    def mean(self) -> float | None:
        """Return the mean agreement; None where neither side ever shows the object."""
        return None if np.isnan(self.agreement).all() else float(np.nanmean(self.agreement))

    @property
    def lowest(self) -> int | None:
        """Return the frame of the lowest agreement, None as `mean`."""
        return None if self.mean is None else int(np.nanargmin(self.agreement))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sets of masks, compared.

    sides: what was compared.
    frames: names of the compared frames, in order.
    size_hw: height and width of the masks in pixels.
    below: the agreement under which masks part.
    objects: those that both have, by id.
    only: ids of objects that only one side has, per side.
    truth_frames: names of the frames with ground truth.
    only_in_truth: ids of objects that the ground truth alone has.
    notes: what a reader has to know.
    """

    sides: tuple[Side, Side]
    frames: tuple[str, ...]
    size_hw: tuple[int, int]
    below: float
    objects: tuple[ObjectComparison, ...]
    only: tuple[tuple[int, ...], tuple[int, ...]]
    truth_frames: tuple[str, ...] = ()
    only_in_truth: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def compare(
    a: Side,
    b: Side,
    truth: Side | None = None,
    *,
    below: float = 0.8,
    only_common: bool = False,
    on_frame: Callable[[], None] = lambda: None,
) -> Comparison:
    """Compare the masks of two sides, frame by frame, and both with a ground truth.

    below: the agreement under which masks part.
    only_common: leave out frames that not both have, instead of refusing.
    on_frame: called after each frame.

    Raises EvalError for frames or objects that do not match, and masks that cannot be read.
    """
    frames, notes = _common_frames(a, b, only_common=only_common)
    size_hw = _check_sizes([a, b], frames)
    agreement = np.full((256, len(frames)), np.nan)
    seen: list[set[int]] = [set(a.objects), set(b.objects)]
    for t, name in enumerate(frames):
        found, areas = _agree(_read(a, name), _read(b, name))
        agreement[:, t] = found
        for ids, area in zip(seen, areas, strict=True):
            ids.update(np.flatnonzero(area[1:]) + 1)
        on_frame()
    both = sorted(map(int, seen[0] & seen[1]))
    if not both:
        raise EvalError(
            f"no object in common: {a.name} has {_join(seen[0])}, {b.name} has {_join(seen[1])}; "
            "objects are matched by their ids"
        )
    scores: dict[int, tuple[TruthScore, ...]] = {}
    truth_frames: tuple[str, ...] = ()
    only_in_truth: tuple[int, ...] = ()
    if truth is not None:
        truth_frames, more = _truth_frames(truth, frames, only_common=only_common)
        notes = (*notes, *more)
        _check_sizes([a, truth], truth_frames)
        in_truth = _objects_in(truth, truth_frames)
        if not in_truth & set(both):
            raise EvalError(
                f"the ground truth has objects {_join(in_truth)}, none of those in both results "
                f"({_join(both)}); ids have to be the same"
            )
        only_in_truth = tuple(sorted(in_truth - seen[0] - seen[1]))
        scored = [i for i in both if i in in_truth]
        per_side = [_score(truth, side, truth_frames, scored) for side in (a, b)]
        scores = {i: tuple(side[i] for side in per_side) for i in scored}
    objects = tuple(
        ObjectComparison(i, agreement[i], find_spans(agreement[i], below), scores.get(i, ()))
        for i in both
    )
    only = tuple(sorted(map(int, seen[0] - seen[1]))), tuple(sorted(map(int, seen[1] - seen[0])))
    return Comparison(
        (a, b), frames, size_hw, below, objects, only, truth_frames, only_in_truth, notes
    )


def find_spans(agreement: np.ndarray, below: float) -> tuple[Span, ...]:
    """Return the spans on which two masks part, until they are one track again.

    A frame on which neither shows the object says nothing and is passed over.
    """
    spans: list[Span] = []
    first: int | None = None
    last = agreeing = 0
    for t, value in enumerate(agreement.tolist()):
        if np.isnan(value):
            continue
        if value < below:
            first, last, agreeing = (t if first is None else first), t, 0
        else:
            agreeing += 1
        if first is not None and agreeing == AGREEING_FRAMES:
            spans.append(_span(agreement, first, last))
            first = None
    if first is not None:
        spans.append(_span(agreement, first, last))
    return tuple(spans)


def _span(agreement: np.ndarray, first: int, last: int) -> Span:
    return Span(first, last, first + int(np.nanargmin(agreement[first : last + 1])))


def _agree(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return J per label, NaN where neither map has it, and the area of each label in each map."""
    pairs = (a.astype(np.uint16) << 8) | b
    counts = np.bincount(pairs.ravel(), minlength=1 << 16).reshape(256, 256)
    areas = counts.sum(axis=1), counts.sum(axis=0)
    shared = counts.diagonal()
    union = areas[0] + areas[1] - shared
    return np.where(union > 0, shared / np.maximum(union, 1), np.nan), areas


def _common_frames(
    a: Side, b: Side, *, only_common: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the frames to compare, and notes about those that are left out."""
    common = tuple(name for name in a.masks if name in b.masks)
    if not common:
        raise EvalError(
            f"no frame in common: {a.name} has {_some(a.masks)}, {b.name} has {_some(b.masks)}; "
            "masks are matched by their file names"
        )
    missing = []
    for side, other in ((a, b), (b, a)):
        alone = [name for name in side.masks if name not in other.masks]
        if alone:
            missing.append(
                f"{len(alone)} of {len(side.masks)} frames are only in {side.name} ({_some(alone)})"
            )
    if missing and not only_common:
        raise EvalError(
            [*missing, f"add --common to compare the {len(common)} frames that both have"]
        )
    return common, tuple(f"{text}: left out" for text in missing)


def _truth_frames(
    truth: Side, frames: Sequence[str], *, only_common: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    known = set(frames)
    common = tuple(name for name in truth.masks if name in known)
    if not common:
        raise EvalError(
            f"no frame in common: the ground truth has {_some(truth.masks)}, the results have "
            f"{_some(frames)}; masks are matched by their file names"
        )
    alone = [name for name in truth.masks if name not in known]
    if not alone:
        return common, ()
    text = f"{len(alone)} frames are only in the ground truth ({_some(alone)})"
    if not only_common:
        raise EvalError([text, f"add --common to score the {len(common)} that the results have"])
    return common, (f"{text}: left out",)


def _check_sizes(sides: Sequence[Side], frames: Sequence[str]) -> tuple[int, int]:
    """Return the size of all masks, before any is decoded. Raises EvalError for several sizes."""
    problems = []
    size_hw: tuple[int, int] | None = None
    for name in frames:
        for side in sides:
            path = side.masks[name]
            try:
                found = check_header(path)
            except MaskError as error:
                problems.append(f"{path}: {error}")
                continue
            size_hw = found if size_hw is None else size_hw
            if found != size_hw:
                raise EvalError(
                    f"{path}: is {found[1]}x{found[0]}, where {sides[0].name} begins with "
                    f"{size_hw[1]}x{size_hw[0]}; masks of one clip have one size: resize one of "
                    "them with nearest neighbours, or track again"
                )
    if problems or size_hw is None:
        raise EvalError(problems)
    return size_hw


def _objects_in(truth: Side, frames: Iterable[str]) -> set[int]:
    found: set[int] = set()
    for name in frames:
        found.update(np.unique(_read(truth, name)).tolist())
    return found - {0}


def _score(
    truth: Side, side: Side, frames: Sequence[str], objects: Sequence[int]
) -> dict[int, TruthScore]:
    """Score every object on every frame with ground truth, as DAVIS does on one frame."""
    scorer = Scorer()
    for name in frames:
        pair = FramePair(_read(truth, name), _read(side, name))
        for object_id in objects:
            scorer.add(pair.crop(object_id), pair.radius_px)
    found = np.array([(one.j, one.f) for one in scorer.scores()])
    found = found.reshape(len(frames), len(objects), 2)
    return {
        object_id: TruthScore(found[:, i, 0], found[:, i, 1]) for i, object_id in enumerate(objects)
    }


def _read(side: Side, name: str) -> np.ndarray:
    try:
        return read_labels(side.masks[name])
    except MaskError as error:
        raise EvalError(f"{side.masks[name]}: {error}") from error


def _some(names: Iterable[str]) -> str:
    every = list(names)
    more = ", ..." if len(every) > _MOST_NAMED else ""
    return ", ".join(every[:_MOST_NAMED]) + more


def _join(ids: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(ids))) or "none"
