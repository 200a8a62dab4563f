"""How much a number depends on which videos are in the data set: the bootstrap over videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vos_eval.protocols.base import ObjectScore, Score

RESAMPLES = 1000
SEED = 0
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """The middle 95 % of a number over the resampled data sets; NaN where there is none.

    low: its lower end.
    high: its upper end.
    """

    low: float
    high: float

    def excludes_zero(self) -> bool:
        """Tell whether 0 lies outside."""
        return self.low > 0 or self.high < 0


def resample_totals(scores: Sequence[Score], count: int = RESAMPLES) -> list[dict[str, np.ndarray]]:
    """Return the totals of each score on `count` data sets of videos drawn with replacement.

    All scores see the same draws, so that their differences are paired. Seen and unseen videos are
    drawn apart, each as many as there are. The seed is fixed.
    """
    by_video = [_by_video(score.objects) for score in scores]
    strata: dict[bool | None, list[str]] = {}
    for video, objects in by_video[0].items():
        strata.setdefault(objects[0].is_seen, []).append(video)
    rng = np.random.default_rng(SEED)
    draws = [
        [
            videos[i]
            for videos in strata.values()
            for i in rng.integers(len(videos), size=len(videos))
        ]
        for _ in range(count)
    ]
    found = []
    for score, objects_of in zip(scores, by_video, strict=True):
        totals = [
            score.protocol.totals([item for video in draw for item in objects_of[video]])
            for draw in draws
        ]
        found.append({name: np.array([one[name] for one in totals]) for name in score.totals})
    return found


def interval(values: np.ndarray) -> Interval:
    """Return the middle 95 % of the values that there are."""
    there = values[~np.isnan(values)]
    if not len(there):
        return Interval(float("nan"), float("nan"))
    low, high = np.quantile(there, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(float(low), float(high))


def _by_video(objects: Sequence[ObjectScore]) -> Mapping[str, list[ObjectScore]]:
    found: dict[str, list[ObjectScore]] = {}
    for item in objects:
        found.setdefault(item.video, []).append(item)
    return found
