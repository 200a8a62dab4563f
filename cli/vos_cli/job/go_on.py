"""From which checkpoints of a run a job with other prompts can go on.

A prompt changes nothing on the frames before its own, so that what was tracked up to there is what
the job itself would give, to the last bit. Tracked backward, every frame depends on all prompts.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from vos.errors import ResumeError
from vos.io.results.manifest import Fingerprint
from vos_cli.job.job import Job
from vos_cli.job.resumable import reached

GOING_ON_S = 2.0
"""Seconds between checkpoints of a run that may be taken back to an earlier frame."""

_MAY_DIFFER = {"prompts", "end"}
_CHANGED_ON_THE_PAGE = ("prompts", "start", "end")

Items = Sequence[Mapping[str, Any]]


def fits_on(
    job: Job,
    fingerprint: Fingerprint,
    differences: Sequence[str],
    identity: Mapping[str, Any],
    state: Mapping[str, Any],
) -> bool:
    """Tell whether the job can go on from a saved state.

    fingerprint: of the job.
    differences: names of what differs from the run that saved it.
    identity: of that run.
    """
    if not set(differences) <= _MAY_DIFFER or job.direction == "backward":
        return False
    try:
        so_far = reached(state)
        mine, theirs = fingerprint.parameters["prompts"], identity["parameters"]["prompts"]
        if so_far is None or (job.direction == "both" and _first(mine) != _first(theirs)):
            return False
        first_changed = _first_difference(mine, theirs)
    except (ResumeError, LookupError, TypeError, AttributeError):
        return False  # of another version
    if first_changed is not None and any(item.get("type") == "absent" for item in (*mine, *theirs)):
        first_changed -= 1  # what an absence leaves in memory depends on the frame after its last
    limits = [] if first_changed is None else [first_changed]
    if job.end is not None:
        if not isinstance(job.end, int):
            return "end" not in differences and all(so_far.next_idx <= one for one in limits)
        limits.append(job.end)
    return all(so_far.next_idx <= limit for limit in limits)


def find_droppable(job: Job) -> Sequence[str]:
    """Return the settings for whose sake an interrupted run is begun anew where no checkpoint fits.

    A change on an early frame is why somebody goes on; backward, all of a run depends on anything,
    which is asked first.
    """
    return _CHANGED_ON_THE_PAGE if job.goes_on and job.direction == "forward" else ()


def _first_difference(mine: Items, theirs: Items) -> int | None:
    """Return the first frame whose prompts differ, None where all are the same."""
    ours, others = _by_frame(mine), _by_frame(theirs)
    return min((idx for idx in {*ours, *others} if ours[idx] != others[idx]), default=None)


def _by_frame(items: Items) -> defaultdict[int, list[str]]:
    frames: defaultdict[int, list[str]] = defaultdict(list)
    for item in items:
        frames[item["frame_idx"]].append(json.dumps(item, sort_keys=True))
    return frames


def _first(items: Items) -> dict[int, list[str]]:
    """Return the prompts that each object is tracked backward from."""
    earliest: dict[int, int] = {}
    for item in items:
        who, frame_idx = item["object_id"], item["frame_idx"]
        earliest[who] = min(frame_idx, earliest.get(who, frame_idx))
    found: dict[int, list[str]] = defaultdict(list)
    for item in items:
        if item["frame_idx"] == earliest[item["object_id"]]:
            found[item["object_id"]].append(json.dumps(item, sort_keys=True))
    return dict(found)
