"""A protocol: the rules of one benchmark as a value, and the scores it gives."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from vos_eval.metrics import statistics
from vos_eval.metrics.boundary import Boundary
from vos_eval.protocols.plan import Missing, Plan, Quirk
from vos_eval.protocols.published import PublishedTable, Rules


@dataclass(frozen=True, slots=True)
class Options:
    """How to score.

    unseen: lvos: file of unseen videos instead of the protocol's own list.
    split: davis: name of the list in ImageSets; lvos: name of the metadata file.
    missing: what to do about absent predictions.
    fixes: quirks of the official tool that are switched off.
    boundary: contour rule.
    jobs: processes at most; the digits do not depend on it.
    only_videos: score these only; an empty lvos group then has no value instead of being an error.
    leave_out: videos not to score, because others that they are compared with lack them.
    """

    unseen: Path | None = None
    split: str | None = None
    missing: Missing = Missing.ERROR
    fixes: frozenset[Quirk] = frozenset()
    boundary: Boundary = Boundary.STANDARD
    jobs: int = 1
    only_videos: frozenset[str] | None = None
    leave_out: frozenset[str] = frozenset()

    def takes(self, video: str) -> bool:
        """Tell whether a video is among those that are asked for."""
        return self.only_videos is None or video in self.only_videos


def _no_values() -> np.ndarray:
    return np.zeros(0)


@dataclass(frozen=True, slots=True)
class ObjectScore:
    """One object over time; J, F and recalls on 0-1.

    video: name of the video.
    object_id: pixel value of the object in the masks.
    frames: stems of the scored frames.
    j: region similarity of each frame.
    f: contour accuracy of each frame.
    j_mean: mean of `j`.
    f_mean: mean of `f`.
    v: instability over time; lower is steadier.
    j_recall: share of frames whose J is above 0.5.
    f_recall: share of frames whose F is above 0.5.
    j_decay: J of the first quarter minus J of the last.
    f_decay: F of the first quarter minus F of the last.
    is_seen: lvos: whether the video is of the seen group; else None.
    gt_share: the object's share of the image on each frame, 0-1.
    f_fixed: `f` by a tolerance that depends on the image alone; mosev2 has another `f`.
    own: numbers that only its protocol has, by their published names.
    """

    video: str
    object_id: int
    frames: tuple[str, ...]
    j: np.ndarray
    f: np.ndarray
    j_mean: float
    f_mean: float
    v: float
    j_recall: float
    f_recall: float
    j_decay: float
    f_decay: float
    is_seen: bool | None = None
    gt_share: np.ndarray = field(default_factory=_no_values)
    f_fixed: np.ndarray = field(default_factory=_no_values)
    own: Mapping[str, float] = field(default_factory=dict)

    def numbers(self) -> dict[str, float]:
        """Return all numbers of this object by their published names."""
        return {
            "J&F": (self.j_mean + self.f_mean) / 2,
            "J": self.j_mean,
            "F": self.f_mean,
            "V": self.v,
            "JR": self.j_recall,
            "JD": self.j_decay,
            "FR": self.f_recall,
            "FD": self.f_decay,
            **self.own,
        }


@dataclass(frozen=True, slots=True)
class Score:
    """The result of one evaluation.

    protocol: the rules it was made by.
    totals: the protocol's global numbers by their published names, 0-1, NaN where there is none.
    objects: the scores of each object, in the protocol's order.
    notes: what a reader has to know, such as predictions scored as empty.
    groups: numbers of groups of objects that only the official tables show.
    plan: what was scored, and how the folders were read.
    """

    protocol: Protocol
    totals: dict[str, float]
    objects: tuple[ObjectScore, ...]
    notes: tuple[str, ...] = ()
    groups: dict[str, float] = field(default_factory=dict)
    plan: Plan = field(default_factory=Plan)


Numbers = Callable[[Sequence[ObjectScore]], dict[str, float]]
"""A function: all objects -> numbers by their published names."""


def decay_as_meant(values: np.ndarray, fixes: Collection[Quirk]) -> float:
    """Return the decay without a quirk of any official tool."""
    del fixes
    return statistics.decay(values, wraps=False)


def no_groups(objects: Sequence[ObjectScore]) -> dict[str, float]:
    """Return nothing: the protocol has no groups of objects."""
    del objects
    return {}


def no_own_numbers(item: ObjectScore) -> dict[str, float]:
    """Return nothing: the numbers that all protocols share are enough."""
    del item
    return {}


@dataclass(frozen=True, slots=True)
class Protocol:
    """The rules of one benchmark: what is scored, and which numbers come of it.

    name: what users call it on the command line.
    description: the rules in a few words, for the report.
    plan: (ground truth, predictions, options) -> the frames and objects to score.
    totals: all objects -> the global numbers; the first one is the headline.
    columns: the numbers of `ObjectScore.numbers` to show for each object; "seen" is its group.
    tables: a score -> the official tool's tables: ending of the file's stem -> text of the CSV.
    groups: all objects -> numbers that only those tables show.
    own: one object -> numbers that only this protocol has; they replace shared ones of that name.
    summary: global numbers to print once more in a table of their own.
    quirks: quirks of the official tool that can be switched off.
    decay: (values over time, quirks switched off) -> decay of one object.
    has_unseen: whether a list of unseen videos can be given.
    has_splits: whether the data set has named splits.
    rules: the mark of published numbers made by these rules; None where none are known.
    published: published numbers to show beside a score.
    """

    name: str
    description: str
    plan: Callable[[Path, Path, Options], Plan]
    totals: Numbers
    columns: tuple[str, ...]
    tables: Callable[[Score], Mapping[str, str]]
    groups: Numbers = no_groups
    own: Callable[[ObjectScore], dict[str, float]] = no_own_numbers
    summary: tuple[str, ...] = ()
    quirks: frozenset[Quirk] = frozenset()
    decay: Callable[[np.ndarray, Collection[Quirk]], float] = decay_as_meant
    has_unseen: bool = False
    has_splits: bool = False
    rules: Rules | None = None
    published: tuple[PublishedTable, ...] = ()


def mean_over(objects: Sequence[ObjectScore], name: str) -> float:
    """Return the mean over objects of one of their fields, NaN of no objects."""
    return statistics.mean(np.array([getattr(item, name) for item in objects], float))


def mean_number(objects: Sequence[ObjectScore], name: str) -> float:
    """Return the mean of one of the objects' numbers over those that have it, NaN where none has.

    name: as in `ObjectScore.numbers`.
    """
    values = np.array([item.numbers()[name] for item in objects], float)
    return statistics.mean(values[~np.isnan(values)])


def with_own(item: ObjectScore, protocol: Protocol) -> ObjectScore:
    """Return the object with the numbers that only this protocol has."""
    return replace(item, own=protocol.own(item))
