"""What is to be looked at in a result, by severity, and what somebody has found right.

Suspicious and weak spans of one object that belong together are one incident: an object that
leaves the picture shrinks, loses its score and is lost, and that is one thing to look at.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vos.bounded import read_json
from vos.errors import UsageError, VosError
from vos.io.disk import write_atomic
from vos.io.inside import check_inside
from vos.io.results.layout import REVIEWED_NAME
from vos.io.write.stats_file import ObjectSeries
from vos.suspicious import Suspicion

_NEAR = 12  # frames, half a second: what lies closer together is one incident
_LASTING = ("after cut", "low score")  # go on for long; only their beginning draws others in
_LARGEST_FACTOR = 4.0  # of an area, which counts as much as a lost object
_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing to look at.

    object_id: the object that it is about.
    spans: what was found, in the order of frames.
    key: names it as long as the masks on its frames are what they are.
    """

    object_id: int
    spans: tuple[Suspicion, ...]
    key: str

    @property
    def first(self) -> int:
        """Return the index of its first frame."""
        return min(one.first for one in self.spans)

    @property
    def last(self) -> int:
        """Return the index of its last frame, inclusive."""
        return max(one.last for one in self.spans)

    @property
    def severity(self) -> float:
        """Return how bad it is, 0 to 1."""
        return max(map(_severity, self.spans))

    def as_json(self, fine: Iterable[str]) -> dict[str, Any]:
        worst = max(self.spans, key=_severity)
        return {
            "object_id": self.object_id,
            "first": self.first,
            "last": self.last,
            "worst": worst.worst,
            "kinds": list(dict.fromkeys(one.kind for one in self.spans)),
            "severity": round(self.severity, 3),
            "key": self.key,
            "is_fine": self.key in fine,
        }


def find_incidents(
    spans: Iterable[Suspicion], series: Mapping[int, ObjectSeries]
) -> list[Incident]:
    """Put together what belongs together, the worst first."""
    groups: list[list[Suspicion]] = []
    reached: dict[int, int] = {}  # by object, of its newest group
    newest: dict[int, list[Suspicion]] = {}
    for one in sorted(spans, key=_order):
        end = min(one.last, one.first + _NEAR) if one.kind in _LASTING else one.last
        group = newest.get(one.object_id)
        is_other_scene = one.kind == "after cut"
        if group is None or is_other_scene or one.first - reached[one.object_id] > _NEAR:
            group = newest[one.object_id] = []
            groups.append(group)
            reached[one.object_id] = end
        group.append(one)
        reached[one.object_id] = max(reached[one.object_id], end)
    found = [
        Incident(group[0].object_id, tuple(group), _key(group, series[group[0].object_id]))
        for group in groups
    ]
    return sorted(found, key=lambda one: (-one.severity, one.first, one.object_id))


def _order(one: Suspicion) -> tuple[int, int, bool]:
    """Sort by object and frame; of what begins at a cut, the cut comes first."""
    return one.object_id, one.first, one.kind != "after cut"


def _severity(one: Suspicion) -> float:
    if one.kind == "lost":
        return 1.0
    if one.kind == "after cut":
        return 0.9
    if one.kind == "low score":
        return 1 - one.amount
    if one.kind == "score drop":
        return min(1.0, one.amount)
    return min(1.0, abs(math.log(one.amount)) / math.log(_LARGEST_FACTOR))


def _key(group: Sequence[Suspicion], series: ObjectSeries) -> str:
    """Name an incident by its object, frames and what is known of the masks on them."""
    first, last = min(one.first for one in group), max(one.last for one in group)
    inside = (series.frame_idx >= first) & (series.frame_idx <= last)
    digest = hashlib.sha256()
    for column in (series.area_px, series.iou_pred, series.object_score):
        digest.update(column[inside].astype("<f8").round(3).tobytes())
    return f"{group[0].object_id}:{first}-{last}:{digest.hexdigest()[:16]}"


class Reviewed:
    """The incidents of a result that somebody found right; kept in the result's folder."""

    def __init__(self, result: Path) -> None:
        self._result = result
        self._path = result / REVIEWED_NAME

    def keys(self) -> set[str]:
        """Return their keys; none where the file is missing or damaged."""
        try:
            check_inside(self._result, self._path)
            found = read_json(self._path)
        except (OSError, ValueError, VosError):
            return set()
        keys = found.get("fine") if isinstance(found, dict) else None
        return {one for one in keys if isinstance(one, str)} if isinstance(keys, list) else set()

    def mark(self, known: Iterable[Incident], key: str, *, is_fine: bool) -> None:
        """Remember that an incident is fine, or forget it. What no longer exists is forgotten.

        Raises UsageError where there is no such incident, OutputError where it cannot be written.
        """
        there = {one.key for one in known}
        if key not in there:
            raise UsageError("the masks there have changed meanwhile: look at it again")
        fine = self.keys() & there
        fine = fine | {key} if is_fine else fine - {key}
        text = json.dumps({"schema": _SCHEMA, "fine": sorted(fine)}, indent=1)
        check_inside(self._result, self._path)
        write_atomic(self._path, f"{text}\n".encode())
