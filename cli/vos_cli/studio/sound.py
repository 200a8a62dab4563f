"""The clip's sound for the player, in parts that are asked for by number."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from vos.errors import InputError, UsageError
from vos.io.paths import display_name
from vos.io.read.random_access import RandomAccess
from vos.io.read.sound import SoundReader
from vos.io.read.source import SourceInfo

PART_S = 4
_OFF = 0.5  # frames that a frame may lie beside the even beat


class Sound:
    """The sound of one clip, opened when somebody wants to hear it.

    Nothing of it is kept: a part is decoded when it is asked for.
    """

    def __init__(self, info: SourceInfo, frames: RandomAccess) -> None:
        self._info, self._frames = info, frames
        self._opening = threading.Lock()
        self._reader: SoundReader | None = None
        self._error: InputError | None = None

    @property
    def is_there(self) -> bool:
        return self._info.has_audio

    def as_json(self) -> dict[str, Any]:
        """Return what the player needs to know.

        times: the seconds of the frames known so far; None where they follow the clip's rate.

        Raises UsageError without sound, InputError where it cannot be read.
        """
        reader = self._open()
        is_complete = self._frames.is_complete
        return {
            "rate": reader.rate,
            "channels": reader.channels,
            "part_s": PART_S,
            "times": self._times(),
            "is_complete": is_complete,
        }

    def part(self, index: int) -> bytes:
        """Return seconds `index * PART_S` to the next part's as int16, little-endian, interleaved.

        Raises as `as_json`, and UsageError past the end of the clip.
        """
        reader = self._open()
        if index * PART_S > self._end_s():
            name = display_name(self._info.path)
            raise UsageError(f"{name}: part {index} of the sound lies past the end of the clip")
        count = PART_S * reader.rate
        return reader.read(index * count, count).astype("<i2").tobytes()

    def close(self) -> None:
        with self._opening:
            if self._reader is not None:
                self._reader.close()

    def _open(self) -> SoundReader:
        if not self.is_there:
            raise UsageError(f"{display_name(self._info.path)}: has no sound")
        with self._opening:
            if self._error is not None:
                raise self._error
            if self._reader is None:
                try:
                    self._reader = SoundReader(self._info.path, self._info.start_time)
                except InputError as error:
                    self._error = error
                    raise
            return self._reader

    def _times(self) -> list[float] | None:
        seconds, rate = self._frames.seconds(), self._info.average_rate
        if seconds is None:
            return None
        if rate is not None:
            beats = np.arange(len(seconds)) / float(rate)
            if np.abs(seconds - beats).max(initial=0) <= _OFF / float(rate):
                return None
        return [round(one, 4) for one in seconds.tolist()]

    def _end_s(self) -> float:
        seconds = self._frames.seconds()
        known = 0.0 if seconds is None or not len(seconds) else float(seconds[-1])
        return max(known, float(self._info.duration or 0))
