"""A folder that grows: its clips are taken once they are still."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vos.io.paths import display_name
from vos_cli.batch.clips.clip import Clip, other_name
from vos_cli.batch.folder import ClipResult
from vos_cli.batch.preflight import Probe
from vos_cli.batch.run import Ended

STILL_S = 5.0
"""How long a clip's files must not change before it is taken."""

LOOK_S = 1.0
"""Seconds between two looks at the folder."""

_Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Round:
    """The clips of a batch up to now. A batch without a watch has one round.

    probes: what was known of each before it was tracked.
    ended: how the last round went, None before the first.
    """

    probes: Sequence[Probe] = ()
    ended: Ended | None = None

    def with_new(self, probes: Sequence[Probe]) -> list[Probe]:
        """Return all probes, new ones in the place of older ones of the same clip."""
        names = {one.clip.name for one in probes}
        return [*(one for one in self.probes if one.clip.name not in names), *probes]

    def known(self, clips: Sequence[Clip]) -> Mapping[str, ClipResult]:
        """Return the results of clips that are not among these."""
        names = {clip.name for clip in clips}
        results = {} if self.ended is None else self.ended.results
        return {
            name: replace(one, was_there=one.state == "done")
            for name, one in results.items()
            if name not in names
        }


def watch_folder(
    find_clips: Callable[[], list[Clip]], do_round: Callable[[list[Clip], Round], Round]
) -> Round:
    """Do a round whenever clips are ready, until Ctrl-C or a limit of failures; return the last.

    find_clips: lists the clips that are there now.
    do_round: tracks some, given the round before.

    Raises Interrupted for a Ctrl-C while clips are tracked, and as these two do.
    """
    watch, last = Watch(), Round()
    while last.ended is None or last.ended.content["state"] == "finished":
        try:
            clips = watch.take(find_clips())
            if not clips:
                time.sleep(LOOK_S)
                continue
        except KeyboardInterrupt:
            break
        last = do_round(clips, last)
    return last


class Watch:
    """A memory of the clips of a growing folder: which were taken, and since when others are still.

    A clip that was taken is taken again when its files, or its prompt file, have changed.

    still_s: how long a clip must not have changed.
    now: the time in seconds, for tests.
    """

    def __init__(self, still_s: float = STILL_S, now: Callable[[], float] = time.monotonic) -> None:
        self._still_s = still_s
        self._now = now
        self._since: dict[str, tuple[_Stamp, float]] = {}
        self._taken: dict[str, _Stamp] = {}
        self._owners: dict[str, str] = {}  # name -> source

    def take(self, clips: Sequence[Clip]) -> list[Clip]:
        """Return the clips that are ready and were not taken as they are now."""
        ready = [clip for clip in clips if self._is_ready(clip)]
        for clip in ready:
            self._taken[clip.source] = self._since[clip.source][0]
        return [self._with_own_name(clip) for clip in ready]

    def _with_own_name(self, clip: Clip) -> Clip:
        """Refuse a clip whose name is that of one that was taken before."""
        owner = self._owners.setdefault(clip.name.lower(), clip.source)
        if owner == clip.source:
            return clip
        problem = f"its name is that of {display_name(owner)}, which was here first; rename one"
        return replace(clip, name=other_name(clip.name, clip.place), problem=problem)

    def _is_ready(self, clip: Clip) -> bool:
        stamp, now = _stamp(clip), self._now()
        before = self._since.get(clip.source)
        if before is None or before[0] != stamp:
            self._since[clip.source] = (stamp, now)
            return False
        is_new = self._taken.get(clip.source) != stamp
        return is_new and now - before[1] >= self._still_s


def _stamp(clip: Clip) -> _Stamp:
    """Return sizes and times of all that the clip is made of."""
    places = [Path(clip.source)]
    if clip.flags.prompts is not None:
        places.append(clip.flags.prompts)
    entries: list[tuple[str, int, int]] = []
    for place in places:
        try:
            files = list(os.scandir(place)) if place.is_dir() else []
            entries += [(str(place), *_size_and_time(place.stat()))]
            entries += [(one.path, *_size_and_time(one.stat())) for one in files]
        except OSError:  # it is being moved or written
            entries.append((str(place), -1, time.monotonic_ns()))
    return tuple(sorted(entries))


def _size_and_time(found: os.stat_result) -> tuple[int, int]:
    return found.st_size, found.st_mtime_ns
