"""Interrupted exports of one file per frame: how far they had come, saved and found again."""

from __future__ import annotations

import time

from vos.errors import ResumeError
from vos.io.inside import Inside
from vos.io.results.checkpoints import as_count, saved_by_another
from vos.io.results.folder import OutputFolder
from vos.io.results.manifest import LOCK_NAME
from vos.io.results.swap import WORK_NAME
from vos.io.write.deliver.format import Delivery, Format, Shot
from vos.io.write.deliver.names import numbered

_VALUES, _FRAMES = "values", "frames"
_PERIOD_S = 2.0


class Saver:
    """Saves every two seconds how many frames of an export are on the disk.

    It does so for formats with one file per frame alone: a movie starts over.
    """

    def __init__(self, output: OutputFolder, form: Format, delivery: Delivery, done: int) -> None:
        self._output, self._delivery, self._done = output, delivery, done
        self._is_saving = bool(form.suffixes)
        self._last = time.monotonic()

    def count(self) -> None:
        """Count one more frame that was written."""
        self._done += 1
        if time.monotonic() - self._last >= _PERIOD_S:
            self.save()
            self._last = time.monotonic()

    def save(self) -> None:
        """Save now. Raises OutputError."""
        if self._is_saving and self._done:
            self._delivery.flush()
            self._output.save({_VALUES: {_FRAMES: self._done}}, {})


def count_done(output: OutputFolder, form: Format, shot: Shot) -> int:
    """Return how many frames an equal export left whole, and delete what else it left.

    Where a file of theirs is missing, or nothing was saved, that is none.
    """
    done = _saved(output)
    expected = {
        f"{numbered(target.stem, shot.number(frame_idx))}{suffix}"
        for target in shot.targets
        for frame_idx in shot.frames[:done]
        for suffix in form.suffixes
    }
    found = {one.name: one.stat().st_size for one in output.part.iterdir()}
    if not done or not all(found.get(name) for name in expected):
        output.restart()
        return 0
    for name in found.keys() - expected - {LOCK_NAME, WORK_NAME}:
        Inside(output.part).remove(name)
    return done


def _saved(output: OutputFolder) -> int:
    if not output.saved:
        return 0
    try:
        with saved_by_another():
            return as_count(output.saved[0].header[_VALUES][_FRAMES])
    except ResumeError:
        return 0
